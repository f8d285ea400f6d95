"""A window of the unit square that shapes are painted on, region by region.

Every shape is a function of the point it is asked at, in shares of the whole picture, so that a
crop is that part of the whole, and 64 px are 1024 px seen from afar. Edges are one pixel wide.
"""

from __future__ import annotations

from functools import cache
from random import Random

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ediffi.pictogram.scene import Crop

Floats = NDArray[np.float32]
Patch = tuple[slice, slice, Floats]
"""Rows and columns of the window, and how far a shape covers each pixel there, in [0, 1]."""

NOISE = 64  # side of the table that `Canvas.noise` reads


class Canvas:
    """Pixels of a window, float RGB in [0, 255], and what each region covers of it.

    x, y: centres of the window's pixels, (width,) and (height,), in shares of the picture;
    masks: (height, width) in [0, 1] by region; they add up to one. None unless asked for.
    """

    def __init__(self, size: int, window: Crop, *, masked: bool = False) -> None:
        x0, y0, width, height = window
        self.size = size
        self.x = ((np.arange(x0, x0 + width) + 0.5) / size).astype(np.float32)
        self.y = ((np.arange(y0, y0 + height) + 0.5) / size).astype(np.float32)
        self.pixels = np.empty((height, width, 3), np.float32)
        self.masks: dict[str, Floats] | None = {} if masked else None

    def ground(self, region: str, colour: ArrayLike) -> None:
        """Fill the window. colour: RGB, (3,), (height, 1, 3) or (height, width, 3)."""
        self.pixels[:] = colour
        if self.masks is not None:
            self.masks[region] = np.ones(self.pixels.shape[:2], np.float32)

    def layer(self, region: str, patch: Patch, colour: ArrayLike) -> None:
        """Paint over what is there. colour: as for `ground`, of the patch's size."""
        rows, columns, cover = patch
        under = self.pixels[rows, columns]
        under += (np.asarray(colour, np.float32) - under) * cover[..., None]
        if self.masks is not None:
            for mask in self.masks.values():
                mask[rows, columns] *= 1 - cover
            own = self.masks.setdefault(region, np.zeros(self.pixels.shape[:2], np.float32))
            own[rows, columns] += cover

    def sharp(self, distance: Floats) -> Floats:
        """Coverage from a distance to the edge in shares of the picture, positive inside."""
        cover = distance * np.float32(self.size)
        cover += np.float32(0.5)
        np.maximum(cover, 0, out=cover)
        return np.minimum(cover, 1, out=cover)

    def everywhere(self, cover: Floats) -> Patch:
        return slice(None), slice(None), cover

    def disc(self, x: float, y: float, rx: float, ry: float | None = None) -> Patch:
        """An ellipse, fainter than full where it is smaller than a pixel."""
        ry = rx if ry is None else ry
        pixel = 0.5 / self.size
        strength = min(1.0, rx / pixel) * min(1.0, ry / pixel)
        rx, ry = max(rx, pixel), max(ry, pixel)
        rows = _reach(self.y, y, ry + 1 / self.size)
        columns = _reach(self.x, x, rx + 1 / self.size)
        dx, dy = (self.x[columns] - x) / rx, (self.y[rows, None] - y) / ry
        inside = (1 - np.sqrt(dx * dx + dy * dy)) * min(rx, ry)
        return rows, columns, self.sharp(inside) * np.float32(strength)

    def specks(self, x: ArrayLike, y: ArrayLike, radius: ArrayLike) -> Patch:
        """Many small discs at once, (n,) each: the same as a `union` of theirs, but fast."""
        radii = np.maximum(np.asarray(radius, np.float32), np.float32(0.5 / self.size))
        strength = np.minimum(1, np.asarray(radius, np.float32) / radii) ** 2
        reach = int(np.ceil(float(radii.max()) * self.size)) + 1
        near = np.arange(-reach, reach + 1)
        columns, dx = self._around(np.asarray(x, np.float32), near)
        rows, dy = self._around(np.asarray(y, np.float32), near)
        inside = radii[:, None, None] - np.hypot(dx[:, None, :], dy[:, :, None])
        cover = self.sharp(inside) * strength[:, None, None]
        first = round(float(self.y[0]) * self.size - 0.5), round(float(self.x[0]) * self.size - 0.5)
        rows, columns = rows[:, :, None] - first[0], columns[:, None, :] - first[1]
        height, width = self.pixels.shape[:2]
        seen = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width) & (cover > 0)
        whole = np.zeros((height, width), np.float32)
        rows, columns = np.broadcast_arrays(rows, columns)
        np.maximum.at(whole, (rows[seen], columns[seen]), cover[seen])
        return self.everywhere(whole)

    def _around(self, at: Floats, near: NDArray[np.int64]) -> tuple[NDArray[np.int64], Floats]:
        """Indices in the whole picture of the pixels around n places, and how far they are."""
        index = np.floor(at * self.size).astype(np.int64)[:, None] + near
        return index, ((index + 0.5) / self.size).astype(np.float32) - at[:, None]

    def lattice(
        self, left: NDArray[np.float64], top: NDArray[np.float64], size: tuple[float, float],
        there: NDArray[np.bool_],
    ) -> Patch:  # fmt: skip
        """Rectangles in rows and columns; there: which of them are, (len(top), len(left))."""
        width, height = size
        across = np.stack([_overlap(self.x, x, x + width, self.size) for x in left])
        down = np.stack([_overlap(self.y, y, y + height, self.size) for y in top])
        return self.everywhere(down.T @ there.astype(np.float32) @ across)

    def box(self, x0: float, y0: float, x1: float, y1: float) -> Patch:
        """An upright rectangle, its edges in proportion where they cut a pixel."""
        rows = _reach(self.y, (y0 + y1) / 2, (y1 - y0) / 2 + 1 / self.size)
        columns = _reach(self.x, (x0 + x1) / 2, (x1 - x0) / 2 + 1 / self.size)
        across = _overlap(self.x[columns], x0, x1, self.size)
        return rows, columns, _overlap(self.y[rows], y0, y1, self.size)[:, None] * across

    def triangle(self, x: float, top: float, base: float, half: float) -> Patch:
        """A triangle on a level base, its tip at (x, top)."""
        rows = _reach(self.y, (top + base) / 2, (base - top) / 2 + 1 / self.size)
        columns = _reach(self.x, x, half + 1 / self.size)
        y, steep = self.y[rows, None], (base - top) / half
        side = ((y - top) / steep - np.abs(self.x[columns] - x)) * (steep / np.hypot(1, steep))
        return rows, columns, self.sharp(np.minimum(side, base - y).astype(np.float32))

    def below(self, height: Floats) -> Patch:
        """All that lies under a line. height: (width,), y of the line at each x."""
        top = float(height.min(initial=1.0)) - 1 / self.size
        rows = slice(int(np.searchsorted(self.y, top)), len(self.y))
        return rows, slice(None), self.sharp(self.y[rows, None] - height)

    def noise(self, frequency: int, seed: int) -> Floats:
        """Smooth noise in [-1, 1], (height, width), with `frequency` bumps across the picture.

        It fades out before the pixels get too few to show it.
        """
        table = _noise_table()
        xs, ys = self.x * frequency + seed % 61, self.y * frequency + seed % 59
        ix, iy = np.floor(xs).astype(int), np.floor(ys).astype(int)
        u, v = xs - ix, (ys - iy)[:, None]
        u, v = u * u * (3 - 2 * u), v * v * (3 - 2 * v)
        upper, lower = table[iy % NOISE], table[(iy + 1) % NOISE]
        rows = upper + (lower - upper) * v  # (height, NOISE)
        left, right = rows[:, ix % NOISE], rows[:, (ix + 1) % NOISE]
        fade = min(1.0, max(0.0, self.size / (2 * frequency) - 0.5))
        return ((left + (right - left) * u) * fade).astype(np.float32)


def union(patches: list[Patch]) -> Patch:
    """What any of several shapes covers."""
    filled = [p for p in patches if p[2].size]
    if not filled:
        return slice(0, 0), slice(0, 0), np.zeros((0, 0), np.float32)
    rows = slice(min(p[0].start for p in filled), max(p[0].stop for p in filled))
    columns = slice(min(p[1].start for p in filled), max(p[1].stop for p in filled))
    cover = np.zeros((rows.stop - rows.start, columns.stop - columns.start), np.float32)
    for part_rows, part_columns, part in filled:
        window = cover[
            part_rows.start - rows.start : part_rows.stop - rows.start,
            part_columns.start - columns.start : part_columns.stop - columns.start,
        ]
        np.maximum(window, part, out=window)
    return rows, columns, cover


def _reach(centres: Floats, at: float, radius: float) -> slice:
    """The pixels whose centres lie within `radius` of `at`."""
    first, last = np.searchsorted(centres, (at - radius, at + radius))
    return slice(int(first), int(last))


def _overlap(centres: Floats, low: float, high: float, size: int) -> Floats:
    """The share of each pixel that lies between `low` and `high`."""
    half = 0.5 / size
    length = np.minimum(centres + half, high) - np.maximum(centres - half, low)
    return np.minimum(np.maximum(length * np.float32(size), 0), 1)


@cache
def _noise_table() -> Floats:
    rng = Random("noise")
    values = [rng.uniform(-1, 1) for _ in range(NOISE * NOISE)]
    return np.array(values, np.float32).reshape(NOISE, NOISE)
