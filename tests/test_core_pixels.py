"""Levels and grids of pictures, and back."""

from __future__ import annotations

import numpy as np
import torch

from ediffi.core.pixels import from_uint8, grid, to_uint8


def test_levels() -> None:
    levels = torch.tensor([-1.5, -1.0, 0.0, 1.0, 1.5]).view(1, 1, 1, 5).expand(1, 3, 1, 5)
    assert to_uint8(levels)[0, 0, :, 0].tolist() == [0, 0, 128, 255, 255]


def test_every_level_survives() -> None:
    pictures = np.arange(2 * 16 * 16 * 3).reshape(2, 16, 16, 3).astype(np.uint8)
    images = from_uint8(pictures)
    assert images.shape == (2, 3, 16, 16) and images.min() == -1 and images.max() == 1
    assert np.array_equal(to_uint8(images), pictures)
    assert torch.equal(from_uint8(list(pictures)), images)


def test_grid() -> None:
    images = np.arange(5, dtype=np.uint8)[:, None, None, None] * np.ones((5, 4, 6, 3), np.uint8)
    sheet = grid(images, columns=3, gap=2)
    assert sheet.shape == (2 * 4 + 2, 3 * 6 + 2 * 2, 3)
    assert (sheet[6:, 8:14] == 4).all() and (sheet[6:, 16:] == 255).all()
    assert grid(images[:1]).shape == (4, 6, 3)
