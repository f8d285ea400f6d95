"""Priors of upscalers: the low-resolution picture enlarged, around which diffusion works."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ediffi.core.types import StageInput
from ediffi.diffusion import Predicted
from ediffi.networks.attention import zero_init
from ediffi.networks.blocks import ChannelNorm, NoiseEmbedding, ResBlock
from ediffi.networks.config import EnlargerConfig

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
    Convolutions alone: tiles equal the whole.
    """

    def __init__(self, config: EnlargerConfig, *, scale: int, embedding_width: int) -> None:
        super().__init__()
        channels, self.scale = config.channels, scale
        self.augmentation = NoiseEmbedding(embedding_width)
        self.enter = nn.Conv2d(3, channels, 3, padding=1)
        self.blocks = nn.ModuleList(
            ResBlock(channels, channels, embedding_width) for _ in range(config.depth)
        )
        self.norm = ChannelNorm(channels)
        self.mix = nn.Conv2d(channels, NEIGHBOURS * scale**2, 1)
        self.correct = zero_init(nn.Conv2d(channels, 3 * scale**2, 1))
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, cond: StageInput, size: tuple[int, int]) -> Predicted:
        """The picture (B, 3, *size), and a hint on the grid of the low-resolution pixels."""
        assert cond.low_res is not None and cond.augmentation is not None
        embedding = F.silu(self.augmentation(cond.augmentation.clamp_min(1e-3)))
        h = self.enter(cond.low_res.contiguous(memory_format=torch.channels_last))
        for block in self.blocks:
            h = block(h, embedding)
        h = F.silu(self.norm(h))
        picture = convex_enlarge(cond.low_res.float(), self.mix(h).float(), self.scale)
        picture = picture + F.pixel_shuffle(self.correct(h).float(), self.scale)
        if picture.shape[2:] != size:
            picture = F.interpolate(picture, size, mode="bilinear", antialias=True)
        return Predicted(picture, h)


class Bicubic(nn.Module):
    """The low-resolution picture, enlarged without parameters."""

    def forward(self, cond: StageInput, size: tuple[int, int]) -> Predicted:
        assert cond.low_res is not None
        return Predicted(F.interpolate(cond.low_res.float(), size, mode="bicubic"), None)


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
