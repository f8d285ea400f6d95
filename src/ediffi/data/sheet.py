"""Contact sheets: pictures in a grid with their captions below."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, ImageOps

from ediffi.pixels import grid

GAP, LINES, LINE = 8, 4, 12


def contact_sheet(
    images: Sequence[NDArray[np.uint8]], captions: Sequence[str], *, columns: int = 8
) -> Image.Image:
    """images: (size, size, 3) uint8, all of one size; captions: one for each."""
    cells = np.stack([_captioned(i, caption) for i, caption in zip(images, captions, strict=True)])
    sheet = Image.fromarray(grid(cells, columns=columns, gap=0))
    return ImageOps.expand(sheet, (GAP, GAP, 0, 0), "white")


def _captioned(pixels: NDArray[np.uint8], caption: str) -> NDArray[np.uint8]:
    """A picture, its caption below, and a gap to the right of and below both."""
    size = pixels.shape[0]
    cell = Image.new("RGB", (size + GAP, size + LINES * LINE + GAP), "white")
    cell.paste(Image.fromarray(pixels), (0, 0))
    lines = textwrap.wrap(caption, max(12, int(size / 5.2)))[:LINES]
    font = ImageFont.load_default(size=10)
    where = (0, size + 1)
    ImageDraw.Draw(cell).text(where, "\n".join(lines), "black", font=font, spacing=1)
    return np.asarray(cell)
