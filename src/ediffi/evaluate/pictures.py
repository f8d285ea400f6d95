"""Drawing the pictures of a protocol once: as PNG files in a folder, so that an interrupted run
goes on where it stopped."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ediffi.errors import UserError

Picture = NDArray[np.uint8]


def to_tensor(pictures: Sequence[Picture]) -> Tensor:
    """(H, W, 3) uint8 pictures of one size -> (B, 3, H, W) in [-1, 1]."""
    pixels = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)
    return pixels.float() / 127.5 - 1


def to_pictures(images: Tensor) -> list[Picture]:
    """The inverse of `to_tensor`, rounded and clipped."""
    pixels = ((images.float().clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1)
    return list(pixels.cpu().numpy())


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
    paths = [folder / f"{number:04d}.png" for number in range(num)]
    missing = [number for number, path in enumerate(paths) if not path.exists()]
    on_done(num - len(missing))
    for start in range(0, len(missing), batch):
        numbers = missing[start : start + batch]
        for number, picture in zip(numbers, to_pictures(draw(numbers)), strict=True):
            _save(paths[number], picture)
        on_done(len(numbers))
    return [np.asarray(Image.open(path).convert("RGB")) for path in paths]


def _save(path: Path, picture: Picture) -> None:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    write_file(path, file.getvalue())


def write_file(path: Path, data: bytes) -> None:
    """Write whole or not at all."""
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(data)
        os.replace(part, path)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from error
