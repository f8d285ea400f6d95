"""Drawing the pictures of a protocol once: as PNG files in a folder, so that an interrupted run
goes on where it stopped."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ediffi.core.files import make_folder, write_atomically
from ediffi.core.pixels import to_uint8

Picture = NDArray[np.uint8]
Report = Callable[[str, int, int], None]
"""Told (what, how many more are done, of how many)."""


def drawn(
    folder: Path,
    num: int,
    draw: Callable[[list[int]], Tensor],
    *,
    batch: int,
    on_done: Callable[[int], None],
) -> list[Picture]:
    """Pictures 0 to num - 1, from `folder` where they are already, else drawn and kept there.

    draw: numbers of pictures -> (B, 3, H, W) in [-1, 1]; asked for at most `batch` at a time.
    on_done: told how many more are there.
    """
    make_folder(folder)
    paths = [folder / f"{number:04d}.png" for number in range(num)]
    missing = [number for number, path in enumerate(paths) if not path.exists()]
    on_done(num - len(missing))
    for start in range(0, len(missing), batch):
        numbers = missing[start : start + batch]
        for number, picture in zip(numbers, to_uint8(draw(numbers)), strict=True):
            save_picture(paths[number], picture)
        on_done(len(numbers))
    return [np.asarray(Image.open(path).convert("RGB")) for path in paths]


def save_picture(path: Path, picture: Picture) -> None:
    """Write one picture as a PNG file."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    write_atomically(path, file.getvalue())
