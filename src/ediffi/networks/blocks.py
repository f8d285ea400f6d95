"""Convolution blocks and embeddings shared by the base and the upscalers.

Activations are (B, C, H, W) in channels_last memory, where a norm over channels is a plain
LayerNorm. All norms see one position only, so a tile of a picture equals that part of the whole.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ediffi.networks.attention import zero_init


class ChannelNorm(nn.Module):
    """LayerNorm over the channels of each position."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        y = F.layer_norm(x.permute(0, 2, 3, 1), (x.shape[1],), self.weight, self.bias)
        return y.permute(0, 3, 1, 2)


class ResBlock(nn.Module):
    """norm, SiLU, 3x3 convolution, twice; the embedding scales and shifts the second norm."""

    def __init__(self, c_in: int, c_out: int, embedding_width: int) -> None:
        super().__init__()
        self.norm1 = ChannelNorm(c_in)
        self.conv1 = nn.Conv2d(c_in, c_out, 3, padding=1)
        self.norm2 = ChannelNorm(c_out)
        self.modulate = zero_init(nn.Linear(embedding_width, 2 * c_out))
        self.conv2 = zero_init(nn.Conv2d(c_out, c_out, 3, padding=1))
        self.skip = nn.Identity() if c_in == c_out else nn.Conv2d(c_in, c_out, 1)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        scale, shift = self.modulate(embedding)[:, :, None, None].chunk(2, dim=1)
        h = torch.addcmul(shift, self.norm2(h), 1 + scale)
        return self.skip(x) + self.conv2(F.silu(h))


class NoiseEmbedding(nn.Module):
    """Sines and cosines of ln(sigma) / 4, through two linear layers: sigma (B,) -> (B, E)."""

    frequencies: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        frequencies = math.pi * torch.logspace(-1, 1.5, 64)
        self.register_buffer("frequencies", frequencies, persistent=False)
        self.layers = nn.Sequential(nn.Linear(128, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, sigma: Tensor) -> Tensor:
        phase = (sigma.float().log() / 4)[:, None] * self.frequencies
        return self.layers(torch.cat([phase.cos(), phase.sin()], dim=1))
