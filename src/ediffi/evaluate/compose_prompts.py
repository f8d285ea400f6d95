"""Fixed prompts about how things are put together, and the real pictures that they describe."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from random import Random

import numpy as np
from pydantic import BaseModel, ConfigDict

from ediffi.data.captions import article, indefinite
from ediffi.data.grid import MONOCHROME, Cell, Grid
from ediffi.data.palette import BACKGROUNDS, ink_for
from ediffi.data.rasterize import Pixels
from ediffi.data.render import Renderer
from ediffi.data.scene import DEFAULT_STYLES, vocabulary
from ediffi.evaluate.colours import distance, to_lab
from ediffi.evaluate.pictures import Picture
from ediffi.evaluate.prompts import visible_backgrounds
from ediffi.evaluate.real import Place, placed
from ediffi.evaluate.rows import read_rows

COMPOSE = resources.files("ediffi.evaluate").joinpath("compose_prompts.jsonl")
"""What `compose_prompts` gave; committed before the weights that it judges."""

KINDS = ("single", "two", "count", "colour", "background", "relation", "binding")
EACH = 100  # prompts of a kind
COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink")
QUIET = ("white", "light gray", "gray", "black")  # backgrounds behind coloured things
NUMBERS = ("one", "two", "three", "four")
RELATIONS = ("to the left of", "to the right of", "above", "below")
MIN_DISTANCE = 40.0  # Delta E between a thing's asked colour and its background

_BESIDE: tuple[Place, ...] = ((0.4, 0.26, 0.5), (0.4, 0.74, 0.5))
_STACKED: tuple[Place, ...] = ((0.4, 0.5, 0.26), (0.4, 0.5, 0.74))
_ROWS: dict[int, tuple[Place, ...]] = {
    1: ((0.75, 0.5, 0.5),),
    2: _BESIDE,
    3: ((0.36, 0.5, 0.26), (0.36, 0.26, 0.74), (0.36, 0.74, 0.74)),
    4: ((0.36, 0.26, 0.26), (0.36, 0.74, 0.26), (0.36, 0.26, 0.74), (0.36, 0.74, 0.74)),
}


class Wanted(BaseModel):
    """One kind of thing in a picture. colour: asked for by name, or None."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    hexcode: str
    count: int = 1
    colour: str | None = None


class ComposePrompt(BaseModel):
    """relation: where the first thing is, seen from the second, or None."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    prompt: str
    seed: int
    things: tuple[Wanted, ...]
    background: str
    relation: str | None = None


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


def truth(renderer: Renderer, row: ComposePrompt, style: str, size: int) -> Picture:
    """The real picture of a prompt: its cells side by side, one above the other, as many, and in
    the colour, that it says. (size, size, 3) uint8."""
    if row.kind == "count":
        places = _ROWS[row.things[0].count]
        cells = [row.things[0]] * row.things[0].count
    elif len(row.things) == 1:
        places, cells = _ROWS[1], list(row.things)
    else:
        places, cells = _STACKED if row.relation in RELATIONS[2:] else _BESIDE, list(row.things)
        if row.relation in (RELATIONS[1], RELATIONS[3]):
            cells.reverse()
    out = np.empty((size, size, 3), np.uint8)
    out[:] = BACKGROUNDS[row.background]
    for thing, place in zip(cells, places, strict=True):
        _paste(out, renderer, renderer.grid.cells[thing.hexcode, style], thing.colour, place)
    return out


def _paste(out: Picture, renderer: Renderer, cell: Cell, colour: str | None, place: Place) -> None:
    """Draw a cell in place, in a colour if one is asked for; one-colour drawings in their ink."""
    size = len(out)
    left, top, width, height = placed(cell, "white", place).box
    w, h = max(1, round(width * size)), max(1, round(height * size))
    x, y = round(left * size), round(top * size)
    pixels = renderer.sprites.cut(cell, (0.0, 0.0, 1.0, 1.0), w, h)
    if colour is not None:
        pixels = recoloured(pixels, colour)
    elif cell.style in MONOCHROME:
        red, green, blue = out[0, 0].tolist()
        ink = np.array(ink_for((red, green, blue))[0]) / 255
        pixels = np.concatenate([(pixels[..., 3:] * ink).astype(np.uint8), pixels[..., 3:]], -1)
    clear = 255 - pixels[..., 3:].astype(np.uint16)
    under = (out[y : y + h, x : x + w].astype(np.uint16) * clear + 127) // 255
    out[y : y + h, x : x + w] = np.minimum(pixels[..., :3] + under, 255)


def recoloured(pixels: Pixels, colour: str) -> Pixels:
    """A premultiplied drawing with the hue of a named colour where it has one; its typical
    brightness and saturation become that colour's, its shading stays."""
    alpha = pixels[..., 3:].astype(np.float64) / 255
    rgb = np.where(alpha > 0, pixels[..., :3] / 255 / np.maximum(alpha, 1e-6), 0).clip(0, 1)
    value, low = rgb.max(-1), rgb.min(-1)
    saturation = np.where(value > 0, (value - low) / np.maximum(value, 1e-6), 0)
    tinted = (saturation > 0.2) & (alpha[..., 0] > 0.5)
    if not tinted.any():
        return pixels
    hue, s, v = colorsys.rgb_to_hsv(*(c / 255 for c in BACKGROUNDS[colour]))
    pure = np.array(colorsys.hsv_to_rgb(hue, 1.0, 1.0))
    new_s = (saturation * s / np.median(saturation[tinted])).clip(0, 1)[..., None]
    new_v = (value * v / np.median(value[tinted])).clip(0, 1)[..., None]
    painted = new_v * (1 - new_s + new_s * pure)
    out = np.where((saturation > 0.2)[..., None], painted, rgb)
    return np.concatenate([np.round(out * alpha * 255).astype(np.uint8), pixels[..., 3:]], -1)


def read_compose(path: Path | Traversable) -> list[ComposePrompt]:
    """See `read_rows`."""
    return read_rows(path, ComposePrompt, "compose prompts")
