"""Pictures ready to be placed: cached sprites, and vectors rendered where a sprite is too small."""

from __future__ import annotations

import io
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
from PIL import Image

from ediffi.core.files import make_folder, write_atomically
from ediffi.core.types import Pixels
from ediffi.pictogram.grid import Cell, Grid
from ediffi.pictogram.rasterize import render_svg

SMALL = 96  # long side of the small sprite, which fills canvases up to about 96 px
LARGE = 1024  # long side of the sprites kept on disk for drawings with slow filters
PAD = {SMALL: 8, 256: 16}  # clear border, so that a resize may reach past the drawing
MAX_BYTES = 1 << 30  # how much the sprites kept in memory may take


@dataclass(frozen=True)
class Sprite:
    """A premultiplied picture with `pad` clear pixels around a drawing of width x height."""

    image: Image.Image
    pad: int
    width: float
    height: float


def _padded(pixels: Pixels, pad: int) -> Image.Image:
    full = np.pad(pixels, ((pad, pad), (pad, pad), (0, 0)))
    return _four_channels(full)


def _four_channels(pixels: Pixels) -> Image.Image:
    # "RGBa", premultiplied: PIL would premultiply an "RGBA" picture once more when resizing.
    height, width = pixels.shape[:2]
    return Image.frombytes("RGBa", (width, height), np.ascontiguousarray(pixels).tobytes())


class SpriteStore:
    """Sprites by cell and size, in memory; the least recently used leave when it is full."""

    def __init__(self, grid: Grid, max_bytes: int = MAX_BYTES) -> None:
        self.grid = grid
        self.max_bytes = max_bytes
        self._kept: OrderedDict[tuple[str, str, int], Sprite] = OrderedDict()
        self._bytes = 0
        self._slow: dict[tuple[str, str], bool] = {}

    def cut(
        self, cell: Cell, region: tuple[float, float, float, float], width: int, height: int
    ) -> Pixels:
        """Draw `region` of a cell to width x height pixels, premultiplied RGBA.

        region: x0, y0, x1, y1 as shares of the drawn box; it may reach a little past [0, 1].
        """
        x0, y0, x1, y1 = region
        long_side = max(cell.box[2], cell.box[3])
        # Pixels that the drawing's long side would take at this scale.
        scale = max(
            width / (x1 - x0) * cell.box[2] / long_side,
            height / (y1 - y0) * cell.box[3] / long_side,
        )
        if scale <= 256 or cell.format != "svg":
            return self._resized(
                self._sprite(cell, SMALL if scale <= SMALL else 256), region, width, height
            )
        if self._is_slow(cell):
            return self._from_disk(cell, region, width, height)
        left, top, w, h = cell.box
        view = (left + x0 * w, top + y0 * h, (x1 - x0) * w, (y1 - y0) * h)
        return render_svg(self.grid.source(cell).decode(), view, width, height)

    def small(self, cell: Cell) -> Pixels:
        """The whole drawing at about 32 px, premultiplied RGBA: enough to judge colours by."""
        image = self._sprite(cell, SMALL).image.reduce(3)
        return np.frombuffer(image.tobytes(), np.uint8).reshape(image.height, image.width, 4)

    def _resized(
        self,
        sprite: Sprite,
        region: tuple[float, float, float, float],
        width: int,
        height: int,
    ) -> Pixels:
        x0, y0, x1, y1 = region
        full_width, full_height = sprite.image.size
        box = (
            max(0.0, sprite.pad + x0 * sprite.width),
            max(0.0, sprite.pad + y0 * sprite.height),
            min(float(full_width), sprite.pad + x1 * sprite.width),
            min(float(full_height), sprite.pad + y1 * sprite.height),
        )
        grows = width > box[2] - box[0]
        how = Image.Resampling.BICUBIC if grows else Image.Resampling.HAMMING
        image = sprite.image.resize((width, height), how, box=box)
        return np.frombuffer(image.tobytes(), np.uint8).reshape(height, width, 4)

    def _sprite(self, cell: Cell, side: int) -> Sprite:
        key = (cell.hexcode, cell.style, side)
        kept = self._kept.get(key)
        if kept is not None:
            self._kept.move_to_end(key)
            return kept
        pixels = self.grid.sprite(cell)
        if side == SMALL:
            pixels = _shrink(pixels, SMALL)
        height, width = pixels.shape[:2]
        sprite = Sprite(_padded(pixels, PAD[side]), PAD[side], width, height)
        self._kept[key] = sprite
        self._bytes += _size(sprite)
        while self._bytes > self.max_bytes and len(self._kept) > 1:
            self._bytes -= _size(self._kept.popitem(last=False)[1])
        return sprite

    def _is_slow(self, cell: Cell) -> bool:
        key = (cell.hexcode, cell.style)
        if key not in self._slow:
            self._slow[key] = b"<filter" in self.grid.source(cell)
        return self._slow[key]

    def _from_disk(
        self, cell: Cell, region: tuple[float, float, float, float], width: int, height: int
    ) -> Pixels:
        """Cut from a 1024 px sprite that is rendered once (about a second) and kept as a file."""
        folder = self.grid.path / "large" / self.grid.fingerprint[:12] / cell.style
        path = folder / f"{cell.hexcode}.npy"
        if not path.exists():
            array = io.BytesIO()
            np.save(array, self._render_large(cell))
            make_folder(folder)
            write_atomically(path, array.getvalue())
        pixels = np.load(path, mmap_mode="r")
        full_height, full_width = pixels.shape[:2]
        pad = 8
        x0, y0, x1, y1 = region
        xs = (x0 * full_width, x1 * full_width)
        ys = (y0 * full_height, y1 * full_height)
        left, top = int(np.floor(xs[0])) - pad, int(np.floor(ys[0])) - pad
        right, bottom = int(np.ceil(xs[1])) + pad, int(np.ceil(ys[1])) + pad
        window = np.zeros((bottom - top, right - left, 4), np.uint8)
        a, b = max(0, top), min(full_height, bottom)
        c, d = max(0, left), min(full_width, right)
        window[a - top : b - top, c - left : d - left] = pixels[a:b, c:d]
        image = _four_channels(window)
        box = (xs[0] - left, ys[0] - top, xs[1] - left, ys[1] - top)
        image = image.resize((width, height), Image.Resampling.HAMMING, box=box)
        return np.frombuffer(image.tobytes(), np.uint8).reshape(height, width, 4)

    def _render_large(self, cell: Cell) -> Pixels:
        scale = LARGE / max(cell.box[2], cell.box[3])
        width, height = round(cell.box[2] * scale), round(cell.box[3] * scale)
        return render_svg(self.grid.source(cell).decode(), cell.box, width, height)


def _size(sprite: Sprite) -> int:
    return sprite.image.width * sprite.image.height * 4


def _shrink(pixels: Pixels, side: int) -> Pixels:
    height, width = pixels.shape[:2]
    factor = side / max(width, height)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    image = _four_channels(pixels).resize(size, Image.Resampling.BOX)
    return np.frombuffer(image.tobytes(), np.uint8).reshape(size[1], size[0], 4)
