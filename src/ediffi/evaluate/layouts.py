"""Fixed layouts: two or three things, each with a place painted for it. Written down and committed
before the weights that they judge."""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from random import Random
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from pydantic import BaseModel, ConfigDict

from ediffi.data.captions import article
from ediffi.data.composer import DEFAULT_STYLES, Background, Item, Scene, vocabulary
from ediffi.data.grid import Cell, Grid
from ediffi.evaluate.prompts import visible_backgrounds
from ediffi.evaluate.rows import read_rows
from ediffi.paint import Painting, Region, RegionForm

LAYOUTS = resources.files("ediffi.evaluate").joinpath("layouts.jsonl")
"""What `make_layouts` gave before there were weights to judge."""

KINDS = ("box", "blob", "scribble")
NUM = 240  # two of three have two things
SIDE = 256  # of masks
Kind = Literal["box", "blob", "scribble"]
Box = tuple[float, float, float, float]
Point = tuple[float, float]

# centres of the places, and the least and largest side of what is painted there
_PLACES: dict[int, tuple[tuple[tuple[Point, ...], float, float], ...]] = {
    2: (
        (((0.26, 0.5), (0.74, 0.5)), 0.38, 0.46),
        (((0.5, 0.26), (0.5, 0.74)), 0.38, 0.46),
        (((0.27, 0.27), (0.73, 0.73)), 0.38, 0.46),
        (((0.73, 0.27), (0.27, 0.73)), 0.38, 0.46),
    ),
    3: (
        (((0.18, 0.5), (0.5, 0.5), (0.82, 0.5)), 0.27, 0.31),
        (((0.5, 0.27), (0.26, 0.73), (0.74, 0.73)), 0.36, 0.43),
        (((0.5, 0.73), (0.26, 0.27), (0.74, 0.27)), 0.36, 0.43),
    ),
}


class Place(BaseModel):
    """A thing and where it is painted. prompt[span[0]:span[1]] names it; hexcode: its cell in the
    grid; points: of the outline, or of the brush's way (width > 0), shares of the canvas."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    hexcode: str
    span: tuple[int, int]
    kind: Kind
    points: tuple[Point, ...]
    width: float = 0.0

    def mask(self) -> NDArray[np.float32]:
        """(SIDE, SIDE) in [0, 1]."""
        fine = 4 * SIDE
        image = Image.new("L", (fine, fine))
        pen, points = ImageDraw.Draw(image), [(fine * x, fine * y) for x, y in self.points]
        if self.width:
            thick = round(fine * self.width)
            pen.line(points, 255, thick, joint="curve")
            for x, y in (points[0], points[-1]):
                pen.circle((x, y), thick / 2, 255)
        else:
            pen.polygon(points, 255)
        small = image.resize((SIDE, SIDE), Image.Resampling.BOX)
        mask: NDArray[np.float32] = np.asarray(small, np.float32) / np.float32(255)
        return mask

    @property
    def box(self) -> Box:
        """left, top, right, bottom of what is painted, shares of the canvas."""
        rows, columns = np.nonzero(self.mask() > 0.5)
        ends = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
        left, top, right, bottom = (float(end) / SIDE for end in ends)
        return left, top, right, bottom


class Layout(BaseModel):
    """A prompt that does not say where its things stand, and where they are painted."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt: str
    seed: int
    style: str
    background: str
    things: tuple[Place, ...]

    def painting(self, weight: float, form: RegionForm, *, like: Layout | None = None) -> Painting:
        """Its phrases on its own places, or on those of another layout with as many things."""
        places = (like or self).things
        regions = tuple(
            Region(place.mask(), span=thing.span)
            for thing, place in zip(self.things, places, strict=True)
        )
        return Painting(regions, weight, form)

    def painted(self) -> NDArray[np.float32]:
        """Where anything is painted: (SIDE, SIDE)."""
        whole: NDArray[np.float32] = np.max([thing.mask() for thing in self.things], axis=0)
        return whole

    def scene(self, grid: Grid) -> Scene:
        """The real drawings on their places, as large as these are."""
        items = []
        for thing in self.things:
            left, top, right, bottom = thing.box
            _, _, width, height = grid.cells[thing.hexcode, self.style].box
            scale = min((right - left) / width, (bottom - top) / height)
            w, h = width * scale, height * scale
            box = ((left + right - w) / 2, (top + bottom - h) / 2, w, h)
            label = grid.concepts[thing.hexcode].label
            items.append(Item(thing.hexcode, self.style, label, box))
        background = Background("plain", (self.background,))
        return Scene(self.seed, "painted", background, tuple(items), self.prompt, ())


def make_layouts(
    grid: Grid, num: int = NUM, styles: Sequence[str] = DEFAULT_STYLES
) -> list[Layout]:
    """A pure function of the grid and the vocabulary."""
    rng = Random("layout")
    labels = {
        hexcode: label
        for hexcode, label in vocabulary().items()
        if all((hexcode, style) in grid.cells for style in styles)
    }
    return [_layout(grid, labels, styles, number, rng) for number in range(num)]


def _layout(
    grid: Grid, labels: dict[str, str], styles: Sequence[str], number: int, rng: Random
) -> Layout:
    count = 3 if number % 3 == 2 else 2
    kind: Kind = ("box", "blob", "scribble")[number // 3 % 3]
    while True:
        style = rng.choice(styles)
        hexcodes = rng.sample(sorted(labels), count)
        common = _common_backgrounds([grid.cells[h, style] for h in hexcodes])
        if common:
            break
    background = rng.choice(common)
    prompt, spans = _prompt([labels[h] for h in hexcodes], background, rng)
    centres, least, largest = rng.choice(_PLACES[count])
    things = []
    for hexcode, span, centre in zip(hexcodes, spans, rng.sample(centres, count), strict=True):
        points, width = _draw(kind, _box(centre, least, largest, rng), rng)
        rounded = tuple((round(x, 3), round(y, 3)) for x, y in points)
        things.append(Place(hexcode=hexcode, span=span, kind=kind, points=rounded, width=width))
    return Layout(
        prompt=prompt, seed=number, style=style, background=background, things=tuple(things)
    )


def _common_backgrounds(cells: Sequence[Cell]) -> list[str]:
    seen = [visible_backgrounds(cell) for cell in cells]
    return [name for name in seen[0] if all(name in others for others in seen)]


def _prompt(
    labels: Sequence[str], background: str, rng: Random
) -> tuple[str, list[tuple[int, int]]]:
    glue = [", ", " and "][3 - len(labels) :]
    if len(labels) == 2 and rng.random() < 0.5:
        glue = [" next to "]
    text, spans = "", []
    for label, before in zip(labels, ["", *glue], strict=True):
        text += before + article(label)
        spans.append((len(text) - len(label), len(text)))
    return f"{text} on {article(f'{background} background')}", spans


def _box(centre: Point, least: float, largest: float, rng: Random) -> Box:
    width, height = rng.uniform(least, largest), rng.uniform(least, largest)
    x, y = (c + rng.uniform(-0.015, 0.015) for c in centre)
    x, y = min(max(x, width / 2), 1 - width / 2), min(max(y, height / 2), 1 - height / 2)
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def _draw(kind: Kind, box: Box, rng: Random) -> tuple[list[Point], float]:
    """Points and brush width of a box, a blob or a scribble that fills a box."""
    left, top, right, bottom = box
    if kind == "box":
        return [(left, top), (right, top), (right, bottom), (left, bottom)], 0.0
    x, y, rx, ry = (left + right) / 2, (top + bottom) / 2, (right - left) / 2, (bottom - top) / 2
    if kind == "blob":
        waves = [(k, rng.uniform(0, 0.12), rng.uniform(0, math.tau)) for k in (2, 3, 5)]
        points = []
        for angle in (math.tau * step / 24 for step in range(24)):
            radius = 0.85 + sum(size * math.cos(k * angle + phase) for k, size, phase in waves)
            radius = min(radius, 1.0)
            points.append((x + rx * radius * math.cos(angle), y + ry * radius * math.sin(angle)))
        return points, 0.0
    width, turns = 0.08, 5
    points = []
    for turn in range(turns + 1):
        side = -1 if turn % 2 else 1
        across = x + side * (rx - width / 2) * rng.uniform(0.7, 1.0)
        down = top + width / 2 + (bottom - top - width) * turn / turns
        points.append((across, down + rng.uniform(-0.01, 0.01)))
    return points, width


def read_layouts(path: Path | Traversable) -> list[Layout]:
    """See `read_rows`."""
    return read_rows(path, Layout, "layouts")
