"""Contact sheets: pictures in a grid with their captions below."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

GAP, LINES, LINE = 8, 4, 12


def contact_sheet(
    images: Sequence[NDArray[np.uint8]], captions: Sequence[str], *, columns: int = 8
) -> Image.Image:
    """images: (size, size, 3) uint8, all of one size; captions: one for each."""
    size = images[0].shape[0]
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    width, height = size + GAP, size + LINES * LINE + GAP
    sheet = Image.new("RGB", (columns * width + GAP, rows * height + GAP), "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=10)
    per_line = max(12, int(size / 5.2))
    for number, (pixels, caption) in enumerate(zip(images, captions, strict=True)):
        x = GAP + number % columns * width
        y = GAP + number // columns * height
        sheet.paste(Image.fromarray(pixels), (x, y))
        lines = textwrap.wrap(caption, per_line)[:LINES]
        draw.text((x, y + size + 1), "\n".join(lines), "black", font=font, spacing=1)
    return sheet
