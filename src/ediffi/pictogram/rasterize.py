"""Vectors to pixels with resvg, at any size and any crop.

All pictures are premultiplied RGBA, uint8 (height, width, 4): what resizing and compositing need.
"""

from __future__ import annotations

import io
import math

import numpy as np
from PIL import Image

from ediffi.core.types import Pixels

Rect = tuple[float, float, float, float]
"""x, y, width, height in the units of the drawing."""

_SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
    'width="{width}" height="{height}" viewBox="{x} {y} {w} {h}" preserveAspectRatio="none">'
    "{body}</svg>"
)
FAINT = 3  # alpha up to this (of 255) cannot be seen and does not count as drawn
EMPTY = 32  # a picture whose strongest alpha is below this draws nothing
PROBE = 128  # long side of the picture that finds what is drawn, pixels
SPRITE = 256  # long side of a trimmed sprite, pixels


class BrokenDrawing(ValueError):
    """A source picture that does not render, or renders to nothing."""


def render_svg(body: str, region: Rect, width: int, height: int) -> Pixels:
    """Render `region` of a drawing to exactly width x height pixels; resvg draws only that.

    dpi=90 lets sizes in points work; fonts are skipped, no drawing has text that needs them.
    """
    x, y, w, h = region
    for share in (0, 1 / 16, 1 / 4, 1):
        # resvg panics on filters that a view cuts in certain places: draw more, and cut it off.
        more = math.ceil(share * max(width, height))
        dx, dy = more * w / width, more * h / height
        grown = (x - dx, y - dy, w + 2 * dx, h + 2 * dy)
        png = _resvg(body, grown, width + 2 * more, height + 2 * more)
        if png is not None:
            with Image.open(io.BytesIO(png)) as image:
                return _premultiplied(image)[more : more + height, more : more + width]
    raise BrokenDrawing("resvg fails on it")


def _resvg(body: str, region: Rect, width: int, height: int) -> bytes | None:
    """PNG bytes, or None when resvg panicked."""
    import resvg_py

    x, y, w, h = region
    svg = _SVG.format(width=width, height=height, x=x, y=y, w=w, h=h, body=body)
    try:
        return bytes(resvg_py.svg_to_bytes(svg_string=svg, dpi=90, skip_system_fonts=True))
    except (ValueError, RuntimeError) as error:
        raise BrokenDrawing(f"does not render: {error}") from error
    except BaseException as error:
        # A Rust panic arrives as a BaseException whose class cannot be imported.
        if type(error).__name__ != "PanicException":
            raise
        return None


def decode(data: bytes) -> Pixels:
    """A PNG or WebP file as premultiplied RGBA."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            return _premultiplied(image)
    except OSError as error:
        raise BrokenDrawing(f"does not decode: {error}") from error


def _premultiplied(image: Image.Image) -> Pixels:
    # "RGBa" is PIL's premultiplied mode, with the same four bytes a pixel.
    image = image.convert("RGBA").convert("RGBa")
    return np.frombuffer(image.tobytes(), np.uint8).reshape(image.height, image.width, 4)


def square(view: Rect) -> Rect:
    """The smallest square around `view`, same centre."""
    x, y, w, h = view
    side = max(w, h)
    return x - (side - w) / 2, y - (side - h) / 2, side, side


def drawn_box(pixels: Pixels) -> tuple[int, int, int, int]:
    """x0, y0, x1, y1 of what is visible; raises BrokenDrawing when nothing is."""
    alpha = pixels[..., 3]
    if alpha.max(initial=0) < EMPTY:
        raise BrokenDrawing("draws nothing")
    rows, columns = (np.flatnonzero((alpha > FAINT).any(axis)) for axis in (1, 0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def trimmed_svg(body: str, view: Rect, side: int = SPRITE) -> tuple[Pixels, Rect]:
    """Render only what is drawn, long side `side` pixels.

    Returns the pixels and their rectangle in drawing units.
    """
    rect = square(view)
    for _ in range(3):
        drawn, rect = _drawn_part(body, rect)
        if drawn > PROBE // 2:
            break  # else the drawing is small in its view: look again, closer
    x, y, w, h = rect
    scale = side / max(w, h)
    width, height = max(1, round(w * scale)), max(1, round(h * scale))
    rect = (x, y, width / scale, height / scale)
    return render_svg(body, rect, width, height), rect


def _drawn_part(body: str, rect: Rect) -> tuple[int, Rect]:
    """The rectangle of what is drawn inside `rect`, and its long side in probe pixels."""
    x, y, w, h = rect
    step = max(w, h) / PROBE
    columns, rows = max(1, math.ceil(w / step)), max(1, math.ceil(h / step))
    pixels = render_svg(body, (x, y, columns * step, rows * step), columns, rows)
    x0, y0, x1, y1 = drawn_box(pixels)
    box = (x + x0 * step, y + y0 * step, (x1 - x0) * step, (y1 - y0) * step)
    return max(x1 - x0, y1 - y0), box


def trimmed_raster(data: bytes) -> tuple[Pixels, Rect]:
    """The drawn part of a PNG or WebP, at its own resolution, and its rectangle in pixels."""
    pixels = decode(data)
    x0, y0, x1, y1 = drawn_box(pixels)
    return pixels[y0:y1, x0:x1], (x0, y0, x1 - x0, y1 - y0)


def encode_sprite(pixels: Pixels) -> bytes:
    """A sprite as PNG bytes, colours premultiplied as they are: only for `decode_sprite`."""
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels), "RGBA").save(out, "PNG", compress_level=3)
    return out.getvalue()


def decode_sprite(data: bytes) -> Pixels:
    """The inverse of `encode_sprite`."""
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image)
