"""Maps and masks as squares of pixels: from files, data URIs, PIL pictures and arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from ediffi.core.errors import note
from ediffi.core.pictures import data_uri_bytes, decoded, is_data_uri

MAX_PIXELS = 178_000_000  # a map of 12,000 pixels a side is no surprise
SIDE = 1024  # larger pictures are thinned out to it: no layer of attention is as fine
Source = Image.Image | NDArray[Any] | str | Path


def square_rgba(source: Source, what: str) -> NDArray[np.uint8]:
    """The middle square of a picture, (side, side, 4) uint8, side at most 1024.

    source: a file's path, a "data:image/...;base64," URI, a PIL picture, or an array (H, W),
    (H, W, 3) or (H, W, 4): uint8 in [0, 255], else in [0, 1]. Pixels are thinned out, never mixed,
    so that a map keeps its colours. what: names it in messages, e.g. "the map map.png".

    Raises:
        UserError: not a picture, damaged, or more than 178 million pixels.
    """
    if isinstance(source, np.ndarray):
        levels = source if source.dtype == np.uint8 else np.rint(255 * np.clip(source, 0, 1))
        return _square(Image.fromarray(np.ascontiguousarray(levels, np.uint8)), what)
    if isinstance(source, Image.Image):
        return _square(source, what)
    file = data_uri_bytes(str(source), what) if is_data_uri(source) else Path(source)
    with decoded(file, what, max_pixels=MAX_PIXELS) as picture:
        ImageOps.exif_transpose(picture, in_place=True)
        picture.load()
    return _square(picture, what)


def mask_of(source: Source, what: str) -> NDArray[np.float32]:
    """A mask picture, white where painted: (side, side) in [0, 1]; transparency is not painted."""
    rgba = square_rgba(source, what).astype(np.float32) / 255
    painted: NDArray[np.float32] = rgba[..., :3].mean(-1) * rgba[..., 3]
    return painted


def _square(picture: Image.Image, what: str) -> NDArray[np.uint8]:
    width, height = picture.size
    square = min(width, height)
    if width != height:
        note(f"{what} is {width}x{height}: its middle square of {square}x{square} is used")
    left, top = (width - square) // 2, (height - square) // 2
    box = (left, top, left + square, top + square)
    side = min(square, SIDE)
    if picture.mode.startswith(("I", "F")):  # 16 bits and more: convert() would clip, not scale
        levels = np.asarray(picture.resize((side, side), Image.Resampling.NEAREST, box), np.float64)
        full = 1 if picture.mode == "F" else 65535
        picture = Image.fromarray((255 * np.clip(levels / full, 0, 1)).astype(np.uint8))
        box = (0, 0, side, side)
    small = picture.resize((side, side), Image.Resampling.NEAREST, box)
    return np.array(small.convert("RGBA"))
