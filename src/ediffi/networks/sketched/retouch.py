"""A text-only prediction with its edges sharpened, see `Retouch`."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ediffi.networks.attention import zero_init
from ediffi.networks.blocks import ChannelNorm, ResBlock

FOLD = 2
START = 0.5  # amount that everything is sharpened by at first


class Retouch(nn.Module):
    """A sketch with its edges sharp and its areas even.

    Its layers are small drawings laid into boxes of any size, which leaves edges soft, and what
    makes them from words leaves stains. Here each pixel is sharpened or smoothed by an amount of
    its own (`sharpened`), and a small correction is added. Trained by absolute error, as an
    `Enlarger`, whose median keeps an edge sharp. Sampling computes it once per prompt.
    """

    def __init__(self, channels: int, depth: int, embedding_width: int) -> None:
        """channels, depth: of convolutions on cells of FOLD x FOLD pixels."""
        super().__init__()
        self.enter = nn.Conv2d(6 * FOLD**2, channels, 3, padding=1)
        self.blocks = nn.ModuleList(
            ResBlock(channels, channels, embedding_width) for _ in range(depth)
        )
        self.norm = ChannelNorm(channels)
        self.change = zero_init(nn.Conv2d(channels, 4 * FOLD**2, 1))

    def forward(self, picture: Tensor, embedding: Tensor) -> Tensor:
        """picture (B, 3, H, W); embedding (B, E) of the prompt, for its style. Returns float32."""
        picture = picture.float()
        detail = picture - _around(picture)  # an edge is told by it whatever its colours are
        cells = F.pixel_unshuffle(torch.cat([picture, 4 * detail], dim=1), FOLD)
        h = self.enter(cells.contiguous(memory_format=torch.channels_last))
        for block in self.blocks:
            h = block(h, embedding)
        change = F.pixel_shuffle(self.change(F.silu(self.norm(h))).float(), FOLD)
        return sharpened(picture, START + change[:, :1]) + change[:, 1:]


def sharpened(picture: Tensor, amount: Tensor) -> Tensor:
    """picture (B, C, H, W) + amount (B, 1, H, W) * (picture - mean of the 3 x 3 pixels around),
    within what is around: no overshoot, so no colour that was not there. -1 is the mean itself."""
    padded = F.pad(picture, (1, 1, 1, 1), mode="replicate")
    highest, lowest = F.max_pool2d(padded, 3, stride=1), -F.max_pool2d(-padded, 3, stride=1)
    sharp = picture + amount.clamp_min(-1) * (picture - _around(picture))
    return torch.minimum(torch.maximum(sharp, lowest), highest)


def _around(picture: Tensor) -> Tensor:
    return F.avg_pool2d(F.pad(picture, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
