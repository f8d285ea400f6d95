"""Drawing scenes: pixels and masks, at any size and any crop."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ediffi.core.types import Box
from ediffi.pictogram.backdrops import draw_background, region_masks
from ediffi.pictogram.grid import Grid
from ediffi.pictogram.palette import RGB
from ediffi.pictogram.recolour import turn_hue
from ediffi.pictogram.scene import Crop, Item, Scene
from ediffi.pictogram.sprites import SpriteStore

SHADOW = 0.42  # how dark the middle of a soft shadow is

Layer = tuple[tuple[slice, slice], NDArray[np.uint8]]
"""(rows, columns) of the window that an item touches, and its premultiplied RGBA there."""


class Renderer:
    """Draws scenes from a grid's pictures."""

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        self.sprites = SpriteStore(grid)

    def render(self, scene: Scene, size: int, crop: Crop | None = None) -> NDArray[np.uint8]:
        """The scene at size x size pixels, or only crop = (x0, y0, width, height) of that.

        Returns (height, width, 3) uint8. Nothing outside the crop is computed.
        """
        window = crop or (0, 0, size, size)
        out = draw_background(scene.background, size, window)
        for item in scene.items:
            if item.shadow:
                cast_shadow(out, item.box, size, window)
            layer = self._layer(item, size, window)
            if layer is not None:
                (rows, columns), pixels = layer
                under = out[rows, columns].astype(np.uint16)
                clear = 255 - pixels[..., 3:].astype(np.uint16)
                over = pixels[..., :3] + (under * clear + 127) // 255
                out[rows, columns] = np.minimum(over, 255)
        return out

    def masks(self, scene: Scene, size: int, crop: Crop | None = None) -> NDArray[np.float32]:
        """What each part covers in the final picture: (parts, height, width) in [0, 1].

        First the items, then the background's regions, as in `Scene.parts`; with regions, all masks
        add up to 1. Soft shadows lie on what they darken and hide nothing.
        """
        window = crop or (0, 0, size, size)
        count, regions = len(scene.items), scene.background.regions
        masks = np.zeros((count + len(regions), window[3], window[2]), np.float32)
        if regions:
            masks[count:] = region_masks(scene.background, size, window)
        for number, item in enumerate(scene.items):
            layer = self._layer(item, size, window)
            if layer is not None:
                (rows, columns), pixels = layer
                alpha = pixels[..., 3] / np.float32(255)
                masks[:, rows, columns] *= 1 - alpha
                masks[number, rows, columns] = alpha
        return masks

    def _layer(self, item: Item, size: int, window: Crop) -> Layer | None:
        """An item inside the window, None when it is wholly outside."""
        wx, wy, ww, wh = window
        left, top, width, height = (v * size for v in item.box)
        x0, x1 = max(int(left), wx), min(int(np.ceil(left + width)), wx + ww)
        y0, y1 = max(int(top), wy), min(int(np.ceil(top + height)), wy + wh)
        if x0 >= x1 or y0 >= y1:
            return None
        u0, u1 = (x0 - left) / width, (x1 - left) / width
        v0, v1 = (y0 - top) / height, (y1 - top) / height
        if item.flip:
            u0, u1 = 1 - u1, 1 - u0
        cell = self.grid.cells[item.hexcode, item.style]
        pixels = self.sprites.cut(cell, (u0, v0, u1, v1), x1 - x0, y1 - y0)
        if item.flip:
            pixels = pixels[:, ::-1]
        if item.hue:
            pixels = turn_hue(pixels, item.hue)
        if item.ink is not None:
            pixels = _inked(pixels, item.ink)
        return (slice(y0 - wy, y1 - wy), slice(x0 - wx, x1 - wx)), pixels


def cast_shadow(out: NDArray[np.uint8], box: Box, size: int, window: Crop) -> None:
    """Darken `out` softly where something stands: a level ellipse under the box, fading outwards.

    A function of the point alone, so that a crop is that part of the whole.
    """
    x0, y0, width, height = window
    left, top, across, up = box
    half = across * 0.5
    flat = min(0.16 * half, 0.3 * up)
    middle_x, middle_y = left + half, top + up - 0.35 * flat
    columns = _pixels(middle_x, half, size, x0, width)
    rows = _pixels(middle_y, flat, size, y0, height)
    xs = (np.arange(x0 + columns.start, x0 + columns.stop) + 0.5) / size
    ys = (np.arange(y0 + rows.start, y0 + rows.stop) + 0.5) / size
    dx, dy = (xs - middle_x) / half, (ys[:, None] - middle_y) / flat
    depth = np.clip(1 - (dx * dx + dy * dy), 0, 1).astype(np.float32)
    light = 1 - np.float32(SHADOW) * depth * (2 - depth)
    out[rows, columns] = np.rint(out[rows, columns] * light[..., None])


def _pixels(middle: float, reach: float, size: int, start: int, length: int) -> slice:
    """The window's pixels within `reach` of `middle` (shares of the canvas), in window pixels."""
    first = max(0, int((middle - reach) * size) - start)
    last = min(length, int(np.ceil((middle + reach) * size)) - start)
    return slice(first, max(first, last))


def _inked(pixels: NDArray[np.uint8], ink: RGB) -> NDArray[np.uint8]:
    """The drawing as a stencil of one colour."""
    alpha = pixels[..., 3:].astype(np.uint16)
    colour = (alpha * np.array(ink, np.uint16) + 127) // 255
    return np.concatenate([colour, alpha], -1).astype(np.uint8)
