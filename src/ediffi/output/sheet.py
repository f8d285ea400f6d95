"""Several pictures as one."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ediffi.core.errors import UserError
from ediffi.core.files import write_atomically
from ediffi.core.pixels import grid


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
    write_atomically(path, buffer.getvalue())
