"""Contact sheets of the protocols."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from ediffi.core.files import write_atomically
from ediffi.core.types import Pixels
from ediffi.pictogram.sheet import contact_sheet


def save_sheet(
    path: Path, pictures: Sequence[Pixels], captions: Sequence[str], *, side: int, columns: int
) -> None:
    """Pictures at `side` px with their captions, as WebP: small ones in whole pixels, larger ones
    averaged down."""
    resized = []
    for picture in pictures:
        how = Image.Resampling.NEAREST if len(picture) < side else Image.Resampling.BOX
        resized.append(np.asarray(Image.fromarray(picture).resize((side, side), how)))
    file = io.BytesIO()
    contact_sheet(resized, captions, columns=columns).save(file, "WEBP", quality=85, method=6)
    write_atomically(path, file.getvalue())
