"""From a picture to the low-resolution picture that an upscaler might meet."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

STRONGEST_BLUR = 1.2  # std, in pixels of the low resolution
STRONGEST_NOISE = 0.03  # std, pictures in [-1, 1]


def degrade(pictures: Tensor, scale: int, seeds: Sequence[int]) -> Tensor:
    """(B, 3, H, W) in [-1, 1] -> (B, 3, H / scale, W / scale), each picture from its own seed.

    Half of the pictures are only averaged down; the others are blurred and get a little noise
    as well, so that an upscaler does not trust its input to be exact (eDiff-I sec. 3, after
    Real-ESRGAN). Nothing changes colours: an upscaler that learned to undo that would shift them.
    """
    low = F.avg_pool2d(pictures, scale)
    for i, seed in enumerate(seeds):
        rng = np.random.Generator(np.random.Philox(key=seed))
        if rng.random() < 0.5:
            continue
        picture = _blur(low[i : i + 1], rng.random() * STRONGEST_BLUR)
        noise = rng.standard_normal(picture.shape, dtype=np.float32)
        low[i] = (picture + rng.random() * STRONGEST_NOISE * torch.from_numpy(noise))[0]
    return low


def _blur(picture: Tensor, std: float) -> Tensor:
    """Gaussian blur of (1, C, H, W); borders are repeated."""
    if std < 0.2:
        return picture
    reach = 3
    taps = torch.exp(-(torch.arange(-reach, reach + 1) ** 2) / (2 * std**2))
    taps = (taps / taps.sum()).to(picture)
    channels = picture.shape[1]
    padded = F.pad(picture, (reach,) * 4, mode="replicate")
    rows = F.conv2d(padded, taps.view(1, 1, -1, 1).repeat(channels, 1, 1, 1), groups=channels)
    return F.conv2d(rows, taps.view(1, 1, 1, -1).repeat(channels, 1, 1, 1), groups=channels)
