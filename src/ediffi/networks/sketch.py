"""What a prompt looks like before there is any noise to look at."""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ediffi.networks.attention import Reading, TransformerBlock, zero_init
from ediffi.networks.context import Context

SIGMA = 80.0  # the noise level at which a sketch is drawn: where sampling starts
DRAFT_WIDTH = 512


class Sketch(nn.Module):
    """E[x0 | prompt], the ideal denoiser at sigma = inf, from the prompt alone.

    A base network has to draw the whole picture from words at high sigma, but few of the sigmas it
    is trained with are high, and the way from words to pixels through a U-Net is long. Here two
    layers make a draft from the prompt's pooled vector, a grid of queries that see their part of it
    reads the prompt's tokens through a few transformer blocks, each place makes its part of the
    draft again from the words that it turns out to be about (so that two things do not become one
    mixed thing), and the result is trained directly, by regression. The U-Net gets it as features
    on its coarsest grid and as a picture on its widest; both enter through layers that start at
    zero, so older weights stay what they were.
    It depends on no noise: sampling computes it once per prompt.

    picture: (B, 3, grid * factor, grid * factor) in about [-1, 1].
    """

    def __init__(
        self,
        channels: int,
        *,
        enter: int,
        depth: int,
        grid: int,
        factor: int,
        embedding_width: int,
        context_width: int,
        head_width: int,
    ) -> None:
        """channels, enter: of the coarsest and of the widest grid; factor: between their sides."""
        super().__init__()
        self.factor = factor
        self.queries = nn.Parameter(0.5 * torch.randn(1, channels, grid, grid))
        self.pooled = nn.Linear(embedding_width, channels)
        cell = 3 * factor**2
        self.draft = nn.Sequential(
            nn.Linear(embedding_width, DRAFT_WIDTH),
            nn.GELU(),
            zero_init(nn.Linear(DRAFT_WIDTH, cell * grid**2)),
        )
        self.reading = Reading(channels, context_width, head_width)
        self.trust = nn.Parameter(torch.tensor(0.5))  # in the words of a place, not of the prompt
        self.redraft = zero_init(nn.Linear(channels, DRAFT_WIDTH, bias=False))
        self.see = nn.Conv2d(cell, channels, 1)
        self.blocks = nn.ModuleList(
            TransformerBlock(
                channels,
                embedding_width=embedding_width,
                context_width=context_width,
                head_width=head_width,
                self_attention=True,
            )
            for _ in range(depth)
        )
        self.norm = nn.LayerNorm(channels)
        self.read = nn.Linear(channels, cell)
        self.to_bottom = zero_init(nn.Conv2d(channels, channels, 1))
        self.to_entrance = zero_init(nn.Conv2d(3, enter, 3, padding=1))

    def forward(self, context: Context) -> tuple[Tensor, Tensor]:
        """Features (B, channels, grid, grid) and the picture."""
        embedding = F.silu(context.pooled)
        first, last = cast(nn.Linear, self.draft[0]), cast(nn.Linear, self.draft[2])
        draft = last(F.gelu(first(context.pooled))).unflatten(1, (-1, *self.queries.shape[2:]))
        h = self.queries + self.pooled(embedding)[:, :, None, None] + self.see(draft)
        h = h.contiguous(memory_format=torch.channels_last)
        context.sigma = context.pooled.new_full((len(h),), SIGMA)
        for block in self.blocks:
            h = block(h, embedding, context)
        h = self.norm(h.permute(0, 2, 3, 1))
        places = h.flatten(1, 2)
        whole = context.pooled[:, None]
        about = self.reading(places, context, (h.shape[1], h.shape[2]))
        about = whole + self.trust * (about - whole)
        drafted = F.gelu(first(about) + self.redraft(places))  # (B, places, width)
        each = last.weight.unflatten(0, (-1, drafted.shape[1]))  # (cell, places, width)
        cells = torch.einsum("bpw,cpw->bpc", drafted, each) + last.bias.view(each.shape[:2]).T
        cells = cells.unflatten(1, h.shape[1:3]) + self.read(h)
        picture = F.pixel_shuffle(cells.permute(0, 3, 1, 2), self.factor)
        return h.permute(0, 3, 1, 2), picture

    def at_bottom(self, context: Context, size: torch.Size) -> Tensor:
        """What is added on the U-Net's coarsest grid of that (H, W)."""
        assert context.sketch is not None
        return _fitted(self.to_bottom(context.sketch[0]), size)

    def at_entrance(self, context: Context, size: torch.Size) -> Tensor:
        """What is added on the U-Net's widest grid of that (H, W)."""
        assert context.sketch is not None
        return self.to_entrance(_fitted(context.sketch[1], size))


def _fitted(x: Tensor, size: torch.Size) -> Tensor:
    return x if x.shape[2:] == size else F.interpolate(x, size, mode="bilinear")


def sketch_loss(picture: Tensor, clean: Tensor, sigma_data: float) -> Tensor:
    """Squared error against `clean` (B, 3, H, W) averaged down, over sigma_data^2: (B,).

    The EDM loss in the limit of sigma = inf; 1.0 is what an empty sketch gets.
    """
    target = F.interpolate(clean, picture.shape[2:], mode="area")
    return (picture.float() - target).square().flatten(1).mean(1) / sigma_data**2
