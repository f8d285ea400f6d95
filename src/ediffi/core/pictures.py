"""Pictures from anywhere, made alike: RGB, 8 bits, upright, transparency laid on white."""

from __future__ import annotations

import base64
import binascii
import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from ediffi.core.errors import UserError
from ediffi.core.pixels import to_uint8

MIN_SIDE = 8
MAX_PIXELS = 50_000_000
# Pillow reads more, but some of it runs other programs (EPS) or was never meant for pictures.
FORMATS = "PNG JPEG MPO WEBP GIF BMP TIFF AVIF JPEG2000 PPM TGA QOI ICO".split()

Picture = Image.Image | np.ndarray | Tensor | str | Path


class BadPicture(UserError):
    """A picture that cannot be used. reason: a few words, for counting; the message says all."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class Opened:
    """A picture, the format of its file, and what was done to make it like the others."""

    image: Image.Image
    format: str
    changes: tuple[str, ...]


def open_picture(picture: Picture) -> Image.Image:
    """A picture as RGB, upright, transparency laid on white; of an animation the first frame.

    picture: a file's path, a "data:image/...;base64," URI, a PIL picture, an array (H, W, 3) uint8
    in [0, 255], or a tensor (3, H, W) in [-1, 1].

    Raises:
        BadPicture: not a picture, damaged, or smaller than 8 or larger than 50 million pixels.
    """
    if isinstance(picture, Tensor):
        picture = Image.fromarray(to_uint8(picture[None])[0])
    elif isinstance(picture, np.ndarray):
        found = f"{picture.shape} {picture.dtype}"
        try:
            picture = Image.fromarray(picture)
        except TypeError as error:
            message = f"an array of pixels is (H, W, 3) uint8, not {found}"
            raise BadPicture("not pixels", message) from error
    elif is_data_uri(picture):
        return read_picture(data_uri_bytes(str(picture), "the picture"), "the picture").image
    elif not isinstance(picture, Image.Image):
        return read_picture(Path(picture), str(picture)).image
    return _alike(picture, "the picture").image


def is_data_uri(picture: object) -> bool:
    return isinstance(picture, str) and picture.startswith("data:")


def data_uri_bytes(uri: str, name: str) -> bytes:
    """The file in a "data:image/png;base64,..." URI. name: what to call it in an error."""
    try:
        return base64.b64decode(uri.partition(";base64,")[2], validate=True)
    except binascii.Error as error:
        raise BadPicture("not base64", f"{name} is no data URI with base64: {error}") from error


def read_picture(file: Path | bytes, name: str) -> Opened:
    """`open_picture` for a file or its bytes. name: what to call it in an error."""
    with decoded(file, name) as picture:
        return _alike(picture, name)


@contextmanager
def decoded(
    file: Path | bytes, name: str, *, max_pixels: int = MAX_PIXELS
) -> Iterator[Image.Image]:
    """A picture file as Pillow reads it; the header is checked before pixels are read.

    Raises:
        BadPicture: not a picture, of a format that is not safe, damaged, or too large.
    """
    Image.init()
    known = [kind for kind in FORMATS if kind in Image.OPEN]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # size is checked here, the rest is hearsay
            with Image.open(io.BytesIO(file) if isinstance(file, bytes) else file, "r", known) as p:
                _check_size(p, name, max_pixels)
                yield p
    except BadPicture:
        raise
    except Image.DecompressionBombError as error:
        raise _too_large(name, max_pixels) from error
    except UnidentifiedImageError as error:
        empty = not (file if isinstance(file, bytes) else file.stat().st_size)
        message = f"{name} is {'an empty file' if empty else 'not a picture (PNG, JPEG, WebP ...)'}"
        raise BadPicture("empty" if empty else "not a picture", message) from error
    except Exception as error:  # on damaged files Pillow's readers raise whatever they stumble on
        raise BadPicture("damaged", f"cannot read {name}: {error}") from error


def _check_size(picture: Image.Image, name: str, max_pixels: int = MAX_PIXELS) -> None:
    width, height = picture.size
    if width * height > max_pixels:
        raise _too_large(f"{name} ({width}x{height})", max_pixels)


def _too_large(name: str, max_pixels: int) -> BadPicture:
    message = f"{name} is too large: at most {max_pixels:,} pixels are read. Shrink it first"
    return BadPicture("too large", message)


def _alike(picture: Image.Image, name: str) -> Opened:
    width, height = picture.size
    if min(width, height) < MIN_SIDE:
        message = f"{name} is {width}x{height} pixels: each side needs at least {MIN_SIDE}"
        raise BadPicture("too small", message)
    _check_size(picture, name)
    changes = []
    if getattr(picture, "is_animated", False) and picture.format != "MPO":  # a phone's still
        changes.append("first frame of an animation")
    if picture.getexif().get(274, 1) != 1:
        changes.append("turned upright")
    upright = ImageOps.exif_transpose(picture)
    if upright.mode.startswith("I"):
        changes.append("16 bits made 8")
        upright = _eight_bits(upright, name)
    if upright.mode == "F":
        raise BadPicture("not 8 or 16 bits", f"{name} has floating-point pixels: save it as 8 bits")
    if upright.has_transparency_data:
        changes.append("transparency laid on white")
        seen = upright.convert("RGBA")
        upright = Image.new("RGBA", seen.size, "white")
        upright.alpha_composite(seen)
    elif upright.mode not in ("RGB", "L", "P", "1"):
        changes.append(f"{upright.mode} made RGB")
    return Opened(upright.convert("RGB"), picture.format or "", tuple(changes))


def _eight_bits(picture: Image.Image, name: str) -> Image.Image:
    """16-bit grey as 8-bit grey; Pillow itself would cut everything above 255 to white."""
    levels = np.asarray(picture)
    if levels.min() < 0 or levels.max() > 65535:
        raise BadPicture("not 8 or 16 bits", f"{name} has 32-bit pixels: save it as 8 bits")
    return Image.fromarray((levels >> 8).astype(np.uint8))


def square(picture: Image.Image, side: int) -> Image.Image:
    """The middle square of a picture at `side` pixels, for training (Lanczos)."""
    return ImageOps.fit(picture, (side, side), Image.Resampling.LANCZOS)
