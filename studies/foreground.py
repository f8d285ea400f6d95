"""The things in a picture: what is not the border's colour, in connected parts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from ediffi.core.types import Pixels
from ediffi.pictogram.lab import distance, to_lab
from ediffi.pictogram.palette import colour_name
from studies.colours import BACKGROUND_RADIUS, border_colour

Mask = NDArray[np.bool_]

SIDE = 64  # pixels: larger pictures are looked at this small
GAP = 1  # pixels that parts are grown by: gaps of up to 2 are closed
MIN_SHARE = 0.015  # of the picture: smaller parts are crumbs
EIGHT = np.ones((3, 3))  # a pixel's neighbours
MARGIN = 0.12  # of a part's long side, left around it in a crop


@dataclass(frozen=True)
class Part:
    """One connected thing. mask: (64, 64); box: x0, y0, x1, y1 in its pixels, exclusive."""

    mask: Mask
    box: tuple[int, int, int, int]

    @property
    def centre(self) -> tuple[float, float]:
        """x, y as shares of the picture: the middle of the box."""
        x0, y0, x1, y1 = self.box
        return (x0 + x1) / 2 / SIDE, (y0 + y1) / 2 / SIDE

    @property
    def area(self) -> float:
        """Share of the picture."""
        return float(self.mask.mean())


def small(picture: Pixels) -> Pixels:
    """The picture at 64 px, averaged down (or as it is)."""
    if picture.shape[0] == SIDE:
        return picture
    return np.asarray(Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.BOX))


def foreground(picture: Pixels) -> Mask:
    """Where a 64 px picture differs from its border's colour."""
    return distance(to_lab(picture), to_lab(border_colour(picture))) > BACKGROUND_RADIUS


def parts(picture: Pixels) -> list[Part]:
    """The things of a picture of any size, from left to right; gaps of up to 2 px are closed."""
    mask = foreground(small(picture))
    labels, count = ndimage.label(_grown(mask, GAP), EIGHT)
    found = []
    for number in range(1, count + 1):
        own = mask & (labels == number)
        if own.mean() < MIN_SHARE:
            continue
        ys, xs = np.nonzero(own)
        box = (int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1)
        found.append(Part(own, box))
    return sorted(found, key=lambda part: part.centre)


def crop(picture: Pixels, part: Part) -> Pixels:
    """A square around a part, what is not of it painted over with the border's colour."""
    scale = picture.shape[0] / SIDE
    x0, y0, x1, y1 = (value * scale for value in part.box)
    side = max(x1 - x0, y1 - y0) * (1 + 2 * MARGIN)
    left, top = round((x0 + x1 - side) / 2), round((y0 + y1 - side) / 2)
    length = max(1, round(side))
    keep = _grown(part.mask, 1).repeat(-(-picture.shape[0] // SIDE), 0)
    keep = keep.repeat(-(-picture.shape[1] // SIDE), 1)[: picture.shape[0], : picture.shape[1]]
    colour = border_colour(picture)
    clean = np.where(keep[..., None], picture, colour)
    out = np.empty((length, length, 3), np.uint8)
    out[:] = colour
    a, b = max(0, top), min(picture.shape[0], top + length)
    c, d = max(0, left), min(picture.shape[1], left + length)
    out[a - top : b - top, c - left : d - left] = clean[a:b, c:d]
    return out


def colour_of(picture: Pixels, part: Part) -> str | None:
    """The name that most pixels of a part carry, see `palette.colour_name`."""
    pixels = small(picture)[part.mask]
    cells, counts = np.unique(pixels // 16 * 16 + 8, axis=0, return_counts=True)
    tally: dict[str, int] = {}
    for rgb, count in zip(cells.tolist(), counts.tolist(), strict=True):
        name = colour_name((rgb[0], rgb[1], rgb[2]))
        if name is not None:
            tally[name] = tally.get(name, 0) + count
    return max(sorted(tally), key=lambda name: tally[name], default=None)


def _grown(mask: Mask, pixels: int) -> Mask:
    """The mask and all within so many pixels of it."""
    return np.asarray(ndimage.binary_dilation(mask, EIGHT, iterations=pixels))
