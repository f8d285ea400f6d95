"""Pictures between networks and files: numbers in [-1, 1], levels in [0, 255], several as one."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def to_uint8(images: Tensor) -> NDArray[np.uint8]:
    """(B, 3, H, W) in [-1, 1] -> (B, H, W, 3) in [0, 255], rounded and clipped."""
    levels = ((images.float().clamp(-1, 1) + 1) * 127.5).round().byte()
    return np.ascontiguousarray(levels.permute(0, 2, 3, 1).cpu().numpy())


def from_uint8(pictures: NDArray[np.uint8] | Sequence[NDArray[np.uint8]]) -> Tensor:
    """B pictures (H, W, 3) in [0, 255] -> (B, 3, H, W) in [-1, 1]."""
    levels = torch.from_numpy(np.stack(list(pictures))).permute(0, 3, 1, 2)
    return levels.float() / 127.5 - 1


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
