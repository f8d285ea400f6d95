"""The two networks: how strongly each cell may be marked, and what of a picture is the mark."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ediffi.trust.watermark.carriers import FINE, PLANES, SIDE

MAX_LEVELS = (3.0, 4.0, 4.0)  # of 255, of Y, Cb and Cr
# JPEG's colours (ITU-T T.871): RGB = M (Y, Cb, Cr)
TO_RGB = ((1.0, 0.0, 1.402), (1.0, -0.344136, -0.714136), (1.0, 1.772, 0.0))


class Embedder(nn.Module):
    """Picture and chips -> what is added. Only how strong each cell is marked is learned, so that
    any key can be used."""

    to_rgb: Tensor
    levels: Tensor

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.PixelUnshuffle(4),
            nn.Conv2d(3 * 16, width, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(width, PLANES, 3, padding=1),
        )
        self.register_buffer("to_rgb", torch.tensor(TO_RGB), persistent=False)
        self.register_buffer("levels", torch.tensor(MAX_LEVELS) / 127.5, persistent=False)

    def forward(self, picture: Tensor, chips: Tensor) -> Tensor:
        """(B, 3, 256, 256) in [-1, 1], (B, 3, 64, 64) -> (B, 3, 64, 64), what to add in Y, Cb, Cr,
        one value a cell."""
        strength = torch.sigmoid(self.body(picture)) * self.levels[:, None, None]
        return strength * chips

    def add(self, picture: Tensor, cells: Tensor, strength: float = 1.0) -> Tensor:
        """Put what `forward` gave into a picture (B, 3, H, W) of any size; clipped to [-1, 1]."""
        smooth = F.interpolate(cells, picture.shape[2:], mode="bicubic", align_corners=False)
        residual = torch.einsum("rp,bphw->brhw", self.to_rgb, smooth)
        return (picture + strength * residual).clamp(-1, 1)


class Extractor(nn.Module):
    """Picture -> the mark's planes, with what the picture itself shows taken away."""

    def __init__(self, width: int = 32, depth: int = 4) -> None:
        super().__init__()
        step = SIDE // (64 * FINE)
        layers: list[nn.Module] = [nn.PixelUnshuffle(step)]
        channels = 3 * step**2
        for _ in range(depth):
            layers += [nn.Conv2d(channels, width, 3, padding=1, padding_mode="replicate")]
            layers += [nn.SiLU()]
            channels = width
        self.body = nn.Sequential(*layers, nn.Conv2d(width, PLANES, 3, padding=1))

    def forward(self, picture: Tensor) -> Tensor:
        """(B, 3, H, W) in [-1, 1], 256 pixels to the whole canvas -> (B, 3, H / 2, W / 2)."""
        out: Tensor = self.body(picture)
        return out


class Marker(nn.Module):
    """Both."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.embedder = Embedder(width)
        self.extractor = Extractor(width)
        self.log_scale = nn.Parameter(torch.zeros(()))

    def logits(self, planes: Tensor, bit: Tensor, sign: Tensor, num_bits: int) -> Tensor:
        """Of the fine planes (B, 3, 128, 128) and each picture's own carriers (B, 3, 64, 64)."""
        cells = F.avg_pool2d(planes, FINE)
        flat = (cells * sign).flatten(1)
        sums = flat.new_zeros(len(flat), num_bits).scatter_add(1, bit.flatten(1), flat)
        return sums * self.log_scale.exp() / (flat.shape[1] / num_bits) ** 0.5
