"""Several pictures as one."""

from __future__ import annotations

import io
import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ediffi.errors import UserError
from ediffi.output.png import write_file


def grid(
    images: NDArray[np.uint8], *, columns: int | None = None, gap: int = 4
) -> NDArray[np.uint8]:
    """(B, H, W, 3) pictures, row by row on white, as one (H', W', 3); a square if columns is None.

    >>> grid(np.zeros((3, 8, 8, 3), np.uint8), gap=2).shape
    (18, 18, 3)
    """
    count, height, width, _ = images.shape
    columns = min(columns or math.ceil(math.sqrt(count)), count)
    rows = -(-count // columns)
    size = rows * (height + gap) - gap, columns * (width + gap) - gap
    sheet = np.full((*size, 3), 255, np.uint8)
    for number, image in enumerate(images):
        y, x = number // columns * (height + gap), number % columns * (width + gap)
        sheet[y : y + height, x : x + width] = image
    return sheet


def save_sheet(
    path: Path,
    images: NDArray[np.uint8],
    *,
    columns: int | None = None,
    max_side: int | None = None,
    quality: int = 85,
) -> None:
    """Write pictures (B, H, W, 3) as one PNG or WebP, by the name's ending.

    max_side: the sheet is shrunk to it; quality: of WebP, 0 to 100.
    """
    formats = {".png": "PNG", ".webp": "WEBP"}
    if path.suffix.lower() not in formats:
        raise UserError(f"cannot write {path}: a sheet is a .png or a .webp")
    sheet = Image.fromarray(grid(images, columns=columns))
    if max_side is not None:
        sheet.thumbnail((max_side, max_side))
    buffer = io.BytesIO()
    sheet.save(buffer, formats[path.suffix.lower()], quality=quality)
    write_file(path, buffer.getvalue())
