"""Real pictures of the pictogram grid with one drawing each, on a plain background: what judges of
concept and style are fitted on and tested with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from ediffi.core.types import Pixels
from ediffi.data.labelled import Labels
from ediffi.pictogram.grid import MONOCHROME, Cell, Grid
from ediffi.pictogram.lab import distance, to_lab
from ediffi.pictogram.palette import BACKGROUNDS, ink_for
from ediffi.pictogram.render import Renderer
from ediffi.pictogram.scene import Background, Item, Scene

MIN_DISTANCE = 30.0  # Delta E between a drawing's mean colour and the background it stands on
LONG_SIDE = (0.55, 0.95)  # of the canvas
Place = tuple[float, float, float]
"""Long side of the drawing, and where its centre is: x, y, shares of the canvas."""


@dataclass(frozen=True)
class RealPicture:
    """A cell, where it stands and on what, and the size it is drawn at."""

    cell: Cell
    background: str
    place: Place
    size: int

    def scene(self) -> Scene:
        item = placed(self.cell, self.background, self.place)
        return Scene(0, "single", Background("plain", (self.background,)), (item,))


def placed(cell: Cell, background: str, place: Place) -> Item:
    """A cell on the canvas; one-colour drawings in the ink that the background asks for."""
    side, x, y = place
    _, _, width, height = cell.box
    w, h = width * side / max(width, height), height * side / max(width, height)
    ink = ink_for(BACKGROUNDS[background])[0] if cell.style in MONOCHROME else None
    label = cell.concept.label
    return Item(cell.hexcode, cell.style, label, (x - w / 2, y - h / 2, w, h), ink=ink)


def real_picture(cell: Cell, *, size: int, seed: str) -> RealPicture:
    """A cell at a random place on a random background that it stands out on."""
    rng = Random(f"{seed}|{cell.hexcode}|{cell.style}")
    names = list(BACKGROUNDS) if cell.style in MONOCHROME else visible_backgrounds(cell)
    side = LONG_SIDE[0] + (LONG_SIDE[1] - LONG_SIDE[0]) * rng.random()
    free = (1 - side) / 2
    x, y = 0.5 + free * (2 * rng.random() - 1), 0.5 + free * (2 * rng.random() - 1)
    return RealPicture(cell, rng.choice(names), (side, x, y), size)


def visible_backgrounds(cell: Cell) -> list[str]:
    """The backgrounds that a drawing stands out on."""
    mean = to_lab(cell.mean)
    return [n for n, rgb in BACKGROUNDS.items() if distance(mean, to_lab(rgb)) > MIN_DISTANCE]


def draw(renderer: Renderer, pictures: Sequence[RealPicture]) -> list[Pixels]:
    """(size, size, 3) uint8 each."""
    return [renderer.render(picture.scene(), picture.size) for picture in pictures]


def cells_of(grid: Grid, concepts: Sequence[str], styles: Sequence[str]) -> list[Cell]:
    """All cells there are, concept by concept."""
    keys = [(hexcode, style) for hexcode in concepts for style in styles]
    return [grid.cells[key] for key in keys if key in grid.cells]


@dataclass(frozen=True)
class Drawings:
    """A `real_picture` of each cell, `Labelled`. seed: may say "{side}"."""

    renderer: Renderer
    cells: Sequence[Cell]
    seed: str

    @property
    def facts(self) -> Any:
        cells = [[cell.hexcode, cell.style] for cell in self.cells]
        return ["drawings", self.renderer.grid.fingerprint, self.seed, cells]

    def caption(self, number: int) -> str:
        return self.cells[number].concept.label

    def labels(self, number: int) -> Labels:
        cell = self.cells[number]
        return Labels(cell.hexcode, cell.style, f"{cell.hexcode}|{cell.drawing}")

    def picture(self, number: int, side: int) -> Pixels:
        seed = self.seed.format(side=side)
        return draw(self.renderer, [real_picture(self.cells[number], size=side, seed=seed)])[0]
