"""Pictures as `Cascade.generate` returns them, to files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ediffi.core.errors import UserError
from ediffi.core.pixels import to_uint8
from ediffi.output.picture import check_name, check_writable, save_picture
from ediffi.trust.manifest import Ingredient

Pictures = Tensor | Image.Image | Sequence[Image.Image]


def save(
    pictures: Pictures,
    path: str | Path,
    parameters: dict[str, Any] | None = None,
    *,
    ingredients: Sequence[Ingredient] = (),
) -> list[Path]:
    """Write one picture as `path`, or several as fox-1.png, fox-2.png ... for fox.png.

    pictures: (B, 3, H, W) or (3, H, W) in [-1, 1], or PIL pictures. parameters: JSON values that
    say how they were made; ingredients: files they were made from, see `save_picture`. They are
    signed with the user's keys where the extra `trust` is installed.

    Returns:
        The files' paths.

    Raises:
        UserError: no name of a PNG, JPEG or WebP, no picture, or a file cannot be written.
    """
    path = Path(path)
    check_name(path)
    pixels = _pixels(pictures)
    many = len(pixels) > 1
    paths = [
        path.with_stem(f"{path.stem}-{n}") if many else path for n in range(1, len(pixels) + 1)
    ]
    for each in paths:
        check_writable(each)
    for each, image in zip(paths, pixels, strict=True):
        save_picture(each, image, parameters or {}, ingredients=ingredients)
    return paths


def _pixels(pictures: Pictures) -> list[NDArray[np.uint8]]:
    if isinstance(pictures, Tensor):
        batch = pictures[None] if pictures.ndim == 3 else pictures
        if batch.ndim != 4 or batch.shape[1] != 3 or len(batch) == 0:
            raise UserError(f"pictures are (B, 3, H, W), not {tuple(pictures.shape)}")
        return list(to_uint8(batch))
    images = [pictures] if isinstance(pictures, Image.Image) else list(pictures)
    if not images or not all(isinstance(image, Image.Image) for image in images):
        raise UserError("give pictures as Cascade.generate returns them: a tensor, or PIL pictures")
    return [np.asarray(image.convert("RGB")) for image in images]
