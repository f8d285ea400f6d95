"""What a low-resolution picture looks like enlarged, before there is any noise to look at."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ediffi.networks.attention import zero_init
from ediffi.networks.blocks import ChannelNorm, ResBlock

NEIGHBOURS = 9  # of a low-resolution pixel, itself among them


class Enlarger(nn.Module):
    """The likeliest x0, pixel by pixel, from the low-resolution picture alone.

    Most of an enlarged picture is not open: where an edge runs follows from how it is averaged.
    A U-Net that has to pass each cell's pixels through its channels learns that slowly and leaves
    edges wide. Here every pixel is a convex mixture of the nine low-resolution pixels around it
    (learned mixtures as in RAFT, Teed and Deng 2020, sec. 3.3), so that colours are right by
    construction and an edge only takes a choice between neighbours; a small correction is added.
    Trained by absolute error, whose median keeps an edge sharp where the mean of its likely places
    is a blur; the diffusion model then draws what is left (as in CorrDiff, Mardani et al. 2023).
    Convolutions alone: tiles equal the whole. Sampling computes it once per picture.
    """

    def __init__(
        self, *, channels: int, enter: int, depth: int, scale: int, embedding_width: int
    ) -> None:
        """enter: channels of the U-Net's widest grid, whose cell is one low-resolution pixel."""
        super().__init__()
        self.scale = scale
        self.enter = nn.Conv2d(3, channels, 3, padding=1)
        self.blocks = nn.ModuleList(
            ResBlock(channels, channels, embedding_width) for _ in range(depth)
        )
        self.norm = ChannelNorm(channels)
        self.mix = nn.Conv2d(channels, NEIGHBOURS * scale**2, 1)
        self.correct = zero_init(nn.Conv2d(channels, 3 * scale**2, 1))
        self.to_entrance = zero_init(nn.Conv2d(channels, enter, 1))

    @property
    def radius(self) -> int:
        """Of the receptive field, in pixels of the enlarged picture."""
        return self.scale * (2 + 2 * len(self.blocks))

    def forward(self, low_res: Tensor, embedding: Tensor) -> tuple[Tensor, Tensor]:
        """low_res (B, 3, h, w); embedding (B, E) of the std of its noise.

        Returns features (B, channels, h, w) and the picture (B, 3, scale * h, scale * w), float32.
        """
        h = self.enter(low_res.contiguous(memory_format=torch.channels_last))
        for block in self.blocks:
            h = block(h, embedding)
        h = F.silu(self.norm(h))
        picture = convex_enlarge(low_res.float(), self.mix(h).float(), self.scale)
        return h, picture + F.pixel_shuffle(self.correct(h).float(), self.scale)

    def at_entrance(self, features: Tensor) -> Tensor:
        """What is added on the U-Net's widest grid."""
        entrance: Tensor = self.to_entrance(features)
        return entrance


def enlarger_loss(picture: Tensor, clean: Tensor, sigma_data: float) -> Tensor:
    """Absolute error over sigma_data, (B,); `clean` is brought to the picture's size."""
    if clean.shape != picture.shape:
        clean = F.interpolate(clean, picture.shape[2:], mode="bilinear")
    return (picture - clean).abs().flatten(1).mean(1) / sigma_data


def convex_enlarge(low_res: Tensor, logits: Tensor, scale: int) -> Tensor:
    """Each pixel of a cell as a mixture of the 3x3 low-resolution pixels around the cell.

    low_res (B, C, h, w), logits (B, 9 * scale^2, h, w) -> (B, C, scale * h, scale * w); borders
    are repeated.
    """
    height, width = low_res.shape[2:]
    shares = logits.unflatten(1, (NEIGHBOURS, scale**2)).softmax(dim=1)
    padded = F.pad(low_res, (1, 1, 1, 1), mode="replicate")
    mixed = torch.zeros_like(shares[:, None, 0]).expand(-1, low_res.shape[1], -1, -1, -1)
    for number in range(NEIGHBOURS):
        y, x = divmod(number, 3)
        neighbour = padded[:, :, y : y + height, x : x + width]
        mixed = mixed + shares[:, None, number] * neighbour[:, :, None]
    return F.pixel_shuffle(mixed.flatten(1, 2), scale)
