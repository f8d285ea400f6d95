"""Scenes of the full form: up to four pictures that stand in a relation, on scenery or patterns.

As in plain scenes all pictures are of one style, and of cells that the composer was given: what
is held out cannot come in here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from ediffi.core.errors import UserError
from ediffi.core.types import Box
from ediffi.pictogram import layout
from ediffi.pictogram.backdrops import BACKDROPS, draw_backdrop, large_colours
from ediffi.pictogram.captions import COLOUR_WORDS, without_colours
from ediffi.pictogram.describe import Describer, Entity
from ediffi.pictogram.grid import MONOCHROME, NO_COLOUR_GROUPS, Cell
from ediffi.pictogram.palette import (
    BACKGROUNDS,
    INKS,
    MIN_INK_CONTRAST,
    RGB,
    contrast,
    ink_for,
    similar,
)
from ediffi.pictogram.plurals import countable
from ediffi.pictogram.recolour import Recolours
from ediffi.pictogram.scene import Background, Item, Scene, SceneConfig


@dataclass(frozen=True)
class Look:
    """How a thing is drawn and what colour it then has: hue in degrees, or ink in one colour."""

    colour: str | None
    mean: RGB
    hue: int = 0
    ink: RGB | None = None
    recoloured: bool = False


class Illustrator:
    """Makes up scenes from the cells of each style."""

    def __init__(
        self,
        by_style: Mapping[str, Sequence[Cell]],
        words: Mapping[str, Sequence[str]],
        recolours: Recolours,
        config: SceneConfig,
        flips: Callable[[Cell, float, Random], bool],
    ) -> None:
        unknown = [kind for kind in config.backdrop_weights if kind not in BACKDROPS]
        if unknown:
            raise UserError(f"no backdrop {unknown[0]!r}: known are {', '.join(BACKDROPS)}")
        self.by_style, self.words, self.recolours = by_style, words, recolours
        self.config, self.flips = config, flips
        self.cells = [c for style in config.styles for c in by_style.get(style, ())]
        self.kinds = {k: config.backdrop_weights.get(k, 1.0) for k in BACKDROPS}

    def scene(self, index: int) -> Scene:
        """The scene with this number."""
        config = self.config
        rng = Random(f"{config.seed}:{index}:full")
        cells, groups = self._cast(rng)
        looks, background = self._looks(cells, rng)
        arrangement = self._arrangement(groups, rng)
        boxes = self._boxes(arrangement, groups, cells, rng)
        shadow = rng.random() < config.shadows
        labels = [self._labels(cell, look) for cell, look in zip(cells, looks, strict=True)]
        # What stands in front is drawn last.
        order = [1, 0] if arrangement == "front" else list(range(len(cells)))
        items: list[Item] = []
        entities: dict[int, Entity] = {}
        sizes = _size_words([boxes[n] for n in range(len(cells))])
        for n in order:
            cell, look = cells[n], looks[n]
            parts = tuple(range(len(items), len(items) + groups[n]))
            for box in boxes[n]:
                flip = self.flips(cell, config.mirrored, rng)
                items.append(
                    Item(
                        cell.hexcode,
                        cell.style,
                        labels[n][0],
                        box,
                        flip,
                        look.ink,
                        look.hue,
                        shadow,
                    )
                )
            entities[n] = Entity(
                labels=labels[n],
                parts=parts,
                colour=look.colour,
                recoloured=look.recoloured,
                size=sizes[n],
                place=_place(boxes[n]),
                keywords=cell.concept.tags,
            )
        things = [entities[n] for n in range(len(cells))]
        describer = Describer(things, arrangement, background, cells[0].style, config)
        # evenly spread: of several captions some tell the style and some do not
        turn, count = rng.random(), config.num_captions
        told = [(n + turn) / count < config.caption_style for n in range(count)]
        first, *others = (describer.caption(rng, styled=styled) for styled in told)
        return Scene(
            index, arrangement, background, tuple(items), first.text, first.spans, tuple(others)
        )

    def _cast(self, rng: Random) -> tuple[list[Cell], tuple[int, ...]]:
        """The things of a scene, all different, and how many there are of each."""
        config = self.config
        count = rng.choices(range(1, len(config.mix) + 1), config.mix)[0]
        groups: tuple[int, ...] = (1,) * count
        if count > 1 and rng.random() < config.counted:
            groups = (count,)
        elif count > 2 and rng.random() < config.grouped:
            groups = rng.choice([(1, 2), (2, 1)] if count == 3 else [(1, 3), (3, 1), (2, 2)])
        cells = [self._draw(self.cells, rng, counted=groups[0] > 1)]
        pool = self.by_style[cells[0].style]
        for _ in range(20):
            if len(cells) == min(len(groups), len(pool)):
                break
            other = self._draw(pool, rng, counted=groups[len(cells)] > 1)
            if all(other.hexcode != cell.hexcode for cell in cells):
                cells.append(other)
        groups = groups[: len(cells)]
        # The pool may have had nothing that can be counted, or too little altogether.
        kept = tuple(n if self._countable(c) else 1 for n, c in zip(groups, cells, strict=True))
        return cells, kept if kept in layout.ARRANGED else (1,) * len(cells)

    def _draw(self, pool: Sequence[Cell], rng: Random, *, counted: bool) -> Cell:
        for _ in range(20):
            cell = pool[int(rng.random() * len(pool))]
            symbol = cell.concept.group == "symbols" and rng.random() >= self.config.symbols
            if not symbol and (not counted or self._countable(cell)):
                break
        return cell

    def _countable(self, cell: Cell) -> bool:
        concept = cell.concept
        return countable(self.words[cell.hexcode][0], concept.group, concept.subgroup)

    def _looks(self, cells: Sequence[Cell], rng: Random) -> tuple[list[Look], Background]:
        """How the things are drawn, and a background that they stand out on."""
        mono = cells[0].style in MONOCHROME
        for attempt in range(16):
            background = self._background(rng, plain=attempt > 11)
            behind = large_colours(background)
            looks = [self._ink(behind, rng) if mono else self._hue(cell, rng) for cell in cells]
            if mono:
                inks = [look.ink for look in looks if look.ink]
                if all(contrast(i, b) >= MIN_INK_CONTRAST for i in inks for b in behind):
                    break
            elif not any(similar(look.mean, rgb) for look in looks for rgb in behind):
                break
        return looks, background

    def _background(self, rng: Random, *, plain: bool) -> Background:
        if not plain and rng.random() < self.config.backdrops and any(self.kinds.values()):
            kind = rng.choices(list(self.kinds), list(self.kinds.values()))[0]
        elif plain or rng.random() < self.config.plain_share:
            kind = "plain"
        else:
            kind = rng.choice(layout.BACKGROUND_KINDS[1:])
        return draw_backdrop(kind, rng)

    def _ink(self, behind: Sequence[RGB], rng: Random) -> Look:
        """Black or white, or any colour that stands out if it is to be a coloured one."""
        if rng.random() < self.config.recoloured:
            names = [n for n, rgb in BACKGROUNDS.items() if n not in INKS
                     and min(contrast(rgb, b) for b in behind) >= MIN_INK_CONTRAST]  # fmt: skip
            if names:
                name = rng.choice(names)
                rgb = BACKGROUNDS[name]
                return Look(name, rgb, ink=rgb, recoloured=True)
        ink, _ = ink_for(*behind)
        return Look("black" if ink == INKS["black"] else "white", ink, ink=ink)

    def _hue(self, cell: Cell, rng: Random) -> Look:
        if rng.random() < self.config.recoloured:
            hues = self.recolours.of(cell)
            if hues:
                name = rng.choice(sorted({hue.name for hue in hues}))
                hue = rng.choice([hue for hue in hues if hue.name == name])
                return Look(name, hue.mean, hue.degrees, recoloured=True)
        concept = cell.concept
        odd = concept.group in NO_COLOUR_GROUPS or concept.subgroup == "time"
        told = COLOUR_WORDS.intersection(self.words[cell.hexcode][0].split())
        return Look(None if odd or told else cell.colour, cell.mean)

    def _labels(self, cell: Cell, look: Look) -> tuple[str, ...]:
        """Words for it, without colour words where it has another colour now."""
        labels = self.words[cell.hexcode]
        if look.recoloured or cell.style in MONOCHROME:
            labels = [without_colours(label) for label in labels]
        return tuple(dict.fromkeys(labels))

    def _arrangement(self, groups: tuple[int, ...], rng: Random) -> str:
        if groups == (1, 1) and rng.random() < self.config.in_front:
            return "front"
        return rng.choice(layout.ARRANGED[groups])

    def _boxes(
        self, arrangement: str, groups: tuple[int, ...], cells: Sequence[Cell], rng: Random
    ) -> list[list[Box]]:
        """Boxes thing by thing."""
        sized = rng.random() < self.config.sized
        share, fill = 0.5, rng.uniform(0.8, 0.97)
        if arrangement == "single":
            fill = rng.choice((rng.uniform(0.2, 0.4), rng.uniform(0.88, 0.97))) if sized else (
                rng.uniform(0.5, 0.86))  # fmt: skip
        elif sized and groups == (1, 1):
            share = rng.choice((0.3, 0.36, 0.64, 0.7))
        rooms = iter(layout.slots(arrangement, groups, share))
        return [
            [
                layout.fit(next(rooms), cell.box[2] / cell.box[3], fill, rng, self.config.jitter)
                for _ in range(count)
            ]
            for cell, count in zip(cells, groups, strict=True)
        ]


def _side(boxes: Sequence[Box]) -> float:
    return sum(max(w, h) for _, _, w, h in boxes) / len(boxes)


def _size_words(boxes: Sequence[Sequence[Box]]) -> list[str | None]:
    """Keys of `describe.SIZES` where sizes stand out: against the canvas, or two things' sides."""
    sides = [_side(own) for own in boxes]
    if len(sides) == 1 and len(boxes[0]) == 1:
        small = "tiny" if sides[0] <= 0.28 else "small" if sides[0] <= 0.42 else None
        return ["big" if sides[0] >= 0.86 else small]
    if len(sides) == 2:
        ratio = max(sides) / min(sides)
        if ratio >= 1.45:
            big, small = ("huge", "tiny") if ratio >= 2.4 else ("big", "small")
            return [big, small] if sides[0] > sides[1] else [small, big]
    return [None] * len(sides)


def _place(boxes: Sequence[Box]) -> str:
    """Where the middle of a thing, or of several, is on the canvas."""
    x = (min(b[0] for b in boxes) + max(b[0] + b[2] for b in boxes)) / 2 - 0.5
    y = (min(b[1] for b in boxes) + max(b[1] + b[3] for b in boxes)) / 2 - 0.5
    if max(abs(x), abs(y)) < 0.12:
        return "in the middle"
    if abs(x) > 2 * abs(y):
        return "on the left" if x < 0 else "on the right"
    if abs(y) > 2 * abs(x):
        return "at the top" if y < 0 else "at the bottom"
    return f"at the {'top' if y < 0 else 'bottom'} {'left' if x < 0 else 'right'}"
