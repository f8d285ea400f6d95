"""Fixed layouts: two or three things, each with a place painted for it. Written down and committed
before the weights that they judge."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ediffi.paint import Painting, Region, RegionForm
from ediffi.pictogram.composer import Background, Item, Scene
from ediffi.pictogram.grid import Grid
from studies.rows import Row, committed

LAYOUTS = committed("layouts.jsonl")
"""What `make_layouts` gave before there were weights to judge."""

KINDS = ("box", "blob", "scribble")
SIDE = 256  # of masks
Kind = Literal["box", "blob", "scribble"]
Box = tuple[float, float, float, float]
Point = tuple[float, float]


class Place(Row):
    """A thing and where it is painted. prompt[span[0]:span[1]] names it; hexcode: its cell in the
    grid; points: of the outline, or of the brush's way (width > 0), shares of the canvas."""

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


class Layout(Row):
    """A prompt that does not say where its things stand, and where they are painted."""

    what: ClassVar[str] = "layouts"

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
        return Scene(self.seed, "painted", background, tuple(items))
