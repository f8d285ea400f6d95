"""Real pictures that judges are fitted on and tested with: one drawing on a plain background."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import torch
import torch.nn.functional as F
from torch import Tensor

from ediffi.core.pixels import from_uint8
from ediffi.evaluate.colours import distance, to_lab
from ediffi.evaluate.extractor import Extractor
from ediffi.evaluate.heads import fold
from ediffi.evaluate.pictures import Picture
from ediffi.pictogram.grid import MONOCHROME, Cell, Grid
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
        return Scene(0, "single", Background("plain", (self.background,)), (item,), "", ())


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


def draw(renderer: Renderer, pictures: Sequence[RealPicture]) -> list[Picture]:
    """(size, size, 3) uint8 each."""
    return [renderer.render(picture.scene(), picture.size) for picture in pictures]


@dataclass(frozen=True)
class Labelled:
    """Features (N, D) of real pictures, and what each shows."""

    features: Tensor
    hexcodes: list[str]
    styles: list[str]

    @property
    def folds(self) -> list[int]:
        return [fold(h, s) for h, s in zip(self.hexcodes, self.styles, strict=True)]

    def where(self, styles: Sequence[str]) -> Labelled:
        """The rows of these styles only."""
        rows = [row for row, style in enumerate(self.styles) if style in styles]
        return Labelled(
            self.features[rows], [self.hexcodes[r] for r in rows], [self.styles[r] for r in rows]
        )


def cells_of(grid: Grid, concepts: Sequence[str], styles: Sequence[str]) -> list[Cell]:
    """All cells there are, concept by concept."""
    keys = [(hexcode, style) for hexcode in concepts for style in styles]
    return [grid.cells[key] for key in keys if key in grid.cells]


def enlarged(pictures: Sequence[Picture], size: int) -> Tensor:
    """(B, 3, size, size) in [-1, 1], by bicubic interpolation, antialiased."""
    return F.interpolate(from_uint8(pictures), (size, size), mode="bicubic", antialias=True).clamp(
        -1, 1
    )


def labelled(
    renderer: Renderer,
    pictures: Sequence[RealPicture],
    extractor: Extractor,
    report: object = None,
) -> Labelled:
    """The features of real pictures of any sizes, in their order."""
    features: list[Tensor] = []
    for start in range(0, len(pictures), extractor.batch):
        block = draw(renderer, pictures[start : start + extractor.batch])
        images = torch.cat([enlarged([picture], extractor.side) for picture in block])
        features.append(extractor(images))
        if callable(report):
            report(len(block))
    return Labelled(
        torch.cat(features), [p.cell.hexcode for p in pictures], [p.cell.style for p in pictures]
    )


def visible_backgrounds(cell: Cell) -> list[str]:
    """The backgrounds that a drawing stands out on."""
    mean = to_lab(cell.mean)
    return [n for n, rgb in BACKGROUNDS.items() if distance(mean, to_lab(rgb)) > MIN_DISTANCE]
