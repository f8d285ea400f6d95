"""Drawing scenes: pixels and masks, at any size and any crop."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ediffi.data.grid import Grid
from ediffi.data.palette import RGB
from ediffi.data.scene import Background, Crop, Item, Scene
from ediffi.data.sprites import SpriteStore

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
            layer = self._layer(item, size, window)
            if layer is not None:
                (rows, columns), pixels = layer
                under = out[rows, columns].astype(np.uint16)
                clear = 255 - pixels[..., 3:].astype(np.uint16)
                over = pixels[..., :3] + (under * clear + 127) // 255
                out[rows, columns] = np.minimum(over, 255)
        return out

    def masks(self, scene: Scene, size: int, crop: Crop | None = None) -> NDArray[np.float32]:
        """What each item covers in the final picture: (items, height, width) in [0, 1]."""
        window = crop or (0, 0, size, size)
        masks = np.zeros((len(scene.items), window[3], window[2]), np.float32)
        for number, item in enumerate(scene.items):
            layer = self._layer(item, size, window)
            if layer is not None:
                (rows, columns), pixels = layer
                alpha = pixels[..., 3] / np.float32(255)
                masks[:number, rows, columns] *= 1 - alpha
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
        if item.ink is not None:
            pixels = _inked(pixels, item.ink)
        return (slice(y0 - wy, y1 - wy), slice(x0 - wx, x1 - wx)), pixels


def _inked(pixels: NDArray[np.uint8], ink: RGB) -> NDArray[np.uint8]:
    """The drawing as a stencil of one colour."""
    alpha = pixels[..., 3:].astype(np.uint16)
    colour = (alpha * np.array(ink, np.uint16) + 127) // 255
    return np.concatenate([colour, alpha], -1).astype(np.uint8)


def draw_background(background: Background, size: int, window: Crop) -> NDArray[np.uint8]:
    """The background inside a window of a size x size canvas: (height, width, 3) uint8."""
    x0, y0, width, height = window
    out = np.empty((height, width, 3), np.uint8)
    first, second = background.rgbs[0], background.rgbs[-1]
    if background.kind == "plain":
        out[:] = first
    elif background.kind == "split":
        out[:] = first
        out[:, max(0, size // 2 - x0) :] = second
    elif background.kind == "stacked":
        out[:] = first
        out[max(0, size // 2 - y0) :] = second
    else:
        share = ((np.arange(y0, y0 + height) + 0.5) / size)[:, None, None]
        blend = np.array(first) * (1 - share) + np.array(second) * share
        out[:] = np.round(blend)
    return out
