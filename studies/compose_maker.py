"""How the fixed prompts of the protocol `compose` were made."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from ediffi.pictogram.drawings import visible_backgrounds
from ediffi.pictogram.grammar import article, indefinite
from ediffi.pictogram.grid import Cell, Grid
from ediffi.pictogram.lab import distance, to_lab
from ediffi.pictogram.palette import BACKGROUNDS
from ediffi.pictogram.scene import DEFAULT_STYLES, vocabulary
from studies.compose_rows import KINDS, RELATIONS, ComposePrompt, Wanted

EACH = 100  # prompts of a kind
COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink")
QUIET = ("white", "light gray", "gray", "black")  # backgrounds behind coloured things
NUMBERS = ("one", "two", "three", "four")
MIN_DISTANCE = 40.0  # Delta E between a thing's asked colour and its background


def compose_prompts(grid: Grid, each: int = EACH) -> list[ComposePrompt]:
    """`each` prompts of every kind from the default vocabulary."""
    style = DEFAULT_STYLES[0]
    cells = {h: grid.cells[h, style] for h in vocabulary() if (h, style) in grid.cells}
    writer = _Writer(cells, vocabulary(), Random("compose"))
    rows = [writer.write(kind, number) for kind in KINDS for number in range(each)]
    return [row.model_copy(update={"seed": seed}) for seed, row in enumerate(rows)]


class _Writer:
    def __init__(self, cells: dict[str, Cell], labels: dict[str, str], rng: Random) -> None:
        self.cells, self.labels, self.rng = cells, labels, rng
        self.all = sorted(cells)
        self.countable = [h for h in self.all if _countable(labels[h])]
        coloured = [h for h in self.all if cells[h].colour in COLOURS]
        # "green apple" has its colour already
        self.coloured = [h for h in coloured if not set(labels[h].split()) & set(COLOURS)]

    def write(self, kind: str, number: int) -> ComposePrompt:
        things: tuple[Wanted, ...]
        if kind in ("single", "background"):
            things = (Wanted(hexcode=self.rng.choice(self.all)),)
        elif kind == "count":
            hexcode = self.rng.choice(self.countable)
            things = (Wanted(hexcode=hexcode, count=number % len(NUMBERS) + 1),)
        elif kind == "colour":
            things = self._coloured(self.rng.sample(self.coloured, 1), 1)
        elif kind == "binding":
            things = self._coloured(self.rng.sample(self.coloured, 2), 2)
        else:
            things = tuple(Wanted(hexcode=h) for h in self.rng.sample(self.all, 2))
        relation = RELATIONS[number % len(RELATIONS)] if kind == "relation" else None
        background = self._background(things, number if kind == "background" else None)
        names = [self._name(thing, kind) for thing in things]
        said = f" {relation} ".join(names) if relation else " and ".join(names)
        words = f"{background} background"
        return ComposePrompt(
            kind=kind,
            prompt=f"{said} on {indefinite(words)} {words}",
            seed=0,
            things=things,
            background=background,
            relation=relation,
        )

    def _coloured(self, hexcodes: Sequence[str], num: int) -> tuple[Wanted, ...]:
        colours = self.rng.sample(COLOURS, num)
        return tuple(Wanted(hexcode=h, colour=c) for h, c in zip(hexcodes, colours, strict=True))

    def _background(self, things: Sequence[Wanted], number: int | None) -> str:
        """One that all things stand out on; the palette's colours in turn, from `number` on."""
        seen = []
        for thing in things:
            if thing.colour is None:
                seen.append(set(visible_backgrounds(self.cells[thing.hexcode])))
            else:
                own = to_lab(BACKGROUNDS[thing.colour])
                far = [n for n in QUIET if distance(own, to_lab(BACKGROUNDS[n])) > MIN_DISTANCE]
                seen.append(set(far))
        good = [name for name in BACKGROUNDS if all(name in names for names in seen)]
        good = good or ["white"]
        if number is None:
            return self.rng.choice(good)
        order = list(BACKGROUNDS)
        turned = order[number % len(order) :] + order[: number % len(order)]
        return next(name for name in turned if name in good)

    def _name(self, thing: Wanted, kind: str) -> str:
        label = self.labels[thing.hexcode]
        if kind == "count":
            return f"{NUMBERS[thing.count - 1]} {label if thing.count == 1 else plural(label)}"
        return article(f"{thing.colour} {label}" if thing.colour else label)


def plural(label: str) -> str:
    """More than one.

    >>> plural("fox"), plural("cherry"), plural("tree"), plural("loaf")
    ('foxes', 'cherries', 'trees', 'loaves')
    """
    irregular = {"mouse": "mice", "loaf": "loaves", "leaf": "leaves", "wolf": "wolves"}
    irregular |= {"knife": "knives", "fish": "fish", "sheep": "sheep", "scarf": "scarves"}
    *before, last = label.split()
    if last in irregular:
        last = irregular[last]
    elif last.endswith(("s", "x", "ch", "sh", "z")) or last in ("potato", "tomato", "volcano"):
        last += "es"
    elif last.endswith("y") and last[-2] not in "aeiou":
        last = last[:-1] + "ies"
    else:
        last += "s"
    return " ".join([*before, last])


def _countable(label: str) -> bool:
    simple = not {"of", "with", "in", "and", *NUMBERS} & set(label.split())
    return simple and article(label) != label
