"""Starting half way: a small picture of the user's enters the cascade at an upscaler."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from ediffi.errors import Notice, UserError
from ediffi.pixels import from_uint8, to_uint8

MIN_SIDE = 8
MAX_PIXELS = 50_000_000

Picture = Image.Image | np.ndarray | Tensor | str | Path


def open_picture(picture: Picture) -> Image.Image:
    """A picture as RGB, upright, transparency laid on white.

    picture: a file's path, a PIL picture, an array (H, W, 3) uint8 in [0, 255], or a tensor
    (3, H, W) in [-1, 1].

    Raises:
        UserError: not a picture, or smaller than 8 or larger than 50 million pixels.
    """
    if isinstance(picture, Tensor):
        picture = Image.fromarray(to_uint8(picture[None])[0])
    elif isinstance(picture, np.ndarray):
        picture = Image.fromarray(picture)
    elif not isinstance(picture, Image.Image):
        return _open_file(Path(picture))
    return _upright(picture, "the picture to start from")


def _open_file(path: Path) -> Image.Image:
    too_large = f"{path} is too large to start from: at most {MAX_PIXELS:,} pixels. Shrink it first"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # checked below
            with Image.open(path) as picture:
                return _upright(picture, str(path))
    except Image.DecompressionBombError as error:
        raise UserError(too_large) from error
    except UnidentifiedImageError as error:
        raise UserError(f"{path} is not a picture (PNG, JPEG, WebP ...)") from error
    except UserError:
        raise
    except (OSError, SyntaxError, ValueError) as error:  # Pillow's on truncated files
        raise UserError(f"cannot read the picture {path}: {error}") from error


def _upright(picture: Image.Image, what: str) -> Image.Image:
    width, height = picture.size
    if min(width, height) < MIN_SIDE:
        raise UserError(f"{what} is {width}x{height} pixels: each side needs at least {MIN_SIDE}")
    if width * height > MAX_PIXELS:
        raise UserError(
            f"{what} is too large to start from: {width}x{height}, at most {MAX_PIXELS:,} pixels. "
            "Shrink it first"
        )
    upright = ImageOps.exif_transpose(picture)
    if upright.has_transparency_data:
        seen = upright.convert("RGBA")
        upright = Image.new("RGBA", seen.size, "white")
        upright.alpha_composite(seen)
    return upright.convert("RGB")


def low_resolution(picture: Image.Image, side: int) -> Tensor:
    """The middle square of a picture at `side` pixels, (1, 3, side, side) in [-1, 1]."""
    width, height = picture.size
    square = min(width, height)
    if width != height:
        warnings.warn(
            f"the picture to start from is {width}x{height}: "
            f"its middle square of {square}x{square} is used",
            Notice,
            stacklevel=2,
        )
    left, top = (width - square) // 2, (height - square) // 2
    middle = picture.crop((left, top, left + square, top + square))
    if square != side:
        how = Image.Resampling.BOX if square > side else Image.Resampling.BICUBIC
        middle = middle.resize((side, side), how)
    return from_uint8([np.array(middle)])
