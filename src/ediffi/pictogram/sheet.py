"""Contact sheets: pictures in a grid with their captions below, and what phrases name on top."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, ImageOps

from ediffi.core.pixels import grid
from ediffi.pictogram.palette import RGB
from ediffi.pictogram.segments import Span

GAP, LINES, LINE = 8, 4, 12
COLOURS: tuple[RGB, ...] = (
    (220, 40, 40), (40, 100, 230), (20, 150, 60), (200, 110, 0), (150, 50, 190), (0, 150, 160),
    (190, 40, 120), (110, 100, 20), (90, 90, 110), (120, 70, 40),
)  # fmt: skip


def contact_sheet(
    images: Sequence[NDArray[np.uint8]],
    captions: Sequence[str],
    *,
    spans: Sequence[Sequence[Span]] | None = None,
    columns: int = 8,
) -> Image.Image:
    """images: (size, width, 3) uint8, all of one size; captions: one for each.

    spans: of each caption; its words then have the colours that `overlay` gives their masks.
    """
    marked = spans or [()] * len(captions)
    wrapped = [_wrap(caption, images[0].shape[1]) for caption in captions]
    lines = max(map(len, wrapped)) if spans else LINES
    rows = zip(images, captions, wrapped, marked, strict=True)
    cells = np.stack([_captioned(*row, lines) for row in rows])
    sheet = Image.fromarray(grid(cells, columns=columns, gap=0))
    return ImageOps.expand(sheet, (GAP, GAP, 0, 0), "white")


def overlay(picture: NDArray[np.uint8], masks: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The picture in pale grey, tinted where masks (parts, height, width) are."""
    grey = picture.mean(-1, keepdims=True) * 0.35 + 150
    colours = np.array([part_colour(n) for n in range(len(masks))], np.float32)
    tint = np.einsum("phw,pc->hwc", masks, colours)
    cover = masks.sum(0)[..., None].clip(0, 1) * 0.6
    return np.rint((grey * (1 - cover) + tint * 0.6).clip(0, 255)).astype(np.uint8)


def part_colour(part: int) -> RGB:
    """The colour that a part's mask and words have on a sheet."""
    return COLOURS[part % len(COLOURS)]


def _wrap(caption: str, width: int) -> list[str]:
    return textwrap.wrap(caption, max(12, int(width / 5.2)), break_on_hyphens=False)


def _captioned(
    pixels: NDArray[np.uint8],
    caption: str,
    wrapped: Sequence[str],
    spans: Sequence[Span],
    lines: int,
) -> NDArray[np.uint8]:
    """A picture, its caption below, and a gap to the right of and below both."""
    height, width = pixels.shape[:2]
    cell = Image.new("RGB", (width + GAP, height + lines * LINE + GAP), "white")
    cell.paste(Image.fromarray(pixels), (0, 0))
    font = ImageFont.load_default(size=10)
    draw = ImageDraw.Draw(cell)
    at = 0  # in the caption
    for row, line in enumerate(wrapped[:lines]):
        x = 0.0
        for word in line.split():
            at = caption.index(word, at)
            text = f"{word} "
            colour = _colour_at(at, spans)
            draw.text((x, height + 1 + row * LINE), text, colour, font=font)
            x += font.getlength(text)
            at += len(word)
    return np.asarray(cell)


def _colour_at(place: int, spans: Sequence[Span]) -> RGB:
    """The colour of the shortest phrase around a place that names something by its parts."""
    around = [s for s in spans if s.start <= place < s.end and s.parts]
    inner = min(around, key=lambda s: s.end - s.start, default=None)
    return (0, 0, 0) if inner is None else part_colour(inner.parts[0])
