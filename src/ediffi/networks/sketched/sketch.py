"""A text-only prediction of x0, in layers: the prior of the first default model's base."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ediffi.core.types import Regions
from ediffi.networks.attention import TransformerBlock, zero_init
from ediffi.networks.conditioner import Text
from ediffi.networks.config import SketchConfig
from ediffi.networks.regions import columns_of
from ediffi.networks.sketched.layers import bounds, over, placed, spread

SIGMA = 80.0  # the noise level at which a sketch is drawn: where sampling starts
LAYERS = 4  # things that a sketch can have
MARGIN = 0.06  # of a layer around its thing's box, on each side
LEAST = 0.02  # side of a layer's box, as a share of the canvas
DEPTH = 2  # residual blocks between words and a layer's drawing


class Drawn(NamedTuple):
    """features: (B, C, h, w) on the coarsest grid; picture: (B, 3, H, W) in about [-1, 1]; cover:
    (B, K + 1, h, w), how much of each layer and the backdrop is seen there; shares: (B, K + 1, L),
    their attention to the tokens."""

    features: Tensor
    picture: Tensor
    cover: Tensor
    shares: Tensor


class Sketch(nn.Module):
    """The prediction of x0 from the prompt alone, made of layers.

    Each of a few queries finds a thing in the prompt's tokens, says where it stands, and makes a
    small drawing with an alpha channel, which is put there (layers as in AIR, Eslami et al. 2016);
    where a phrase is painted, its layer goes there. Its weights are those of version 0.1; it is no
    longer trained.
    """

    def __init__(
        self,
        channels: int,
        *,
        enter: int,
        patch: int,
        config: SketchConfig,
        grid: int,
        side: int,
        embedding_width: int,
        context_width: int,
        head_width: int,
    ) -> None:
        """channels, enter: of the U-Net's coarsest and widest grid; patch: pixels per cell of the
        widest; grid: side of the coarsest; side: of the picture, in pixels."""
        super().__init__()
        self.side, self.grid, self.patch, self.overlaps = side, grid, patch, config.overlaps
        self.drawing_side, width = config.drawing
        self.layers = nn.Parameter(0.5 * torch.randn(1, channels, 1, LAYERS + 1))  # and backdrop
        self.pooled = nn.Linear(embedding_width, channels)
        self.blocks = nn.ModuleList(
            TransformerBlock(
                channels,
                embedding_width=embedding_width,
                context_width=context_width,
                head_width=head_width,
                self_attention=True,
            )
            for _ in range(config.depth)
        )
        self.norm = nn.LayerNorm(channels)
        self.reading = Reading(channels, context_width, head_width)
        told = channels + embedding_width
        self.place = nn.Linear(channels, 5)  # centre, sides, whether there is a thing
        self.fit = _mlp(channels + 2, channels // 2, 4)  # of a thing to where it is painted
        self.drawing = nn.Sequential(
            nn.Linear(told, width),
            *(_Residual(width) for _ in range(DEPTH)),
            nn.GELU(),
            zero_init(nn.Linear(width, 4 * self.drawing_side**2)),
        )
        self.tint = zero_init(nn.Linear(channels, 12))
        self.backdrop = _mlp(told, channels, 3 * (side // 2) ** 2)
        self.to_coarsest = zero_init(nn.Linear(told, channels))
        self.to_widest = zero_init(nn.Conv2d(3 * patch**2, enter, 3, padding=1))

    def forward(self, text: Text, words: Tensor) -> Drawn:
        """words: (B, L, E), each token's own contribution to text.pooled, were it the prompt."""
        embedding = F.silu(text.pooled)
        unpainted, sigma = (
            replace(text, regions=None),
            text.pooled.new_full((len(embedding),), SIGMA),
        )
        h = self.layers + self.pooled(embedding)[:, :, None, None]
        for block in self.blocks:
            h = block(h, embedding, unpainted, sigma)
        h = self.norm(h.flatten(2).transpose(1, 2))  # (B, layers and backdrop, C)
        shares, guess = self.reading(h, text), self.place(h[:, :LAYERS]).float()
        there = guess[..., 4].sigmoid()
        phrases = painted_phrases(text)
        if phrases is not None:
            shares = apart(shares, phrases, F.pad(there, (0, 1), value=1.0))
        told = torch.cat([h, (shares @ words).to(h.dtype)], dim=-1)
        h = h[:, :LAYERS]
        behind = self.backdrop(told[:, LAYERS]).unflatten(1, (3, self.side // 2, -1))
        boxes, held = self._boxes(h, guess, shares[:, :LAYERS], text)
        if not self.overlaps:
            boxes = spread(boxes, there > 0.5, held > 0.5)
        drawings = self._drawings(h, told[:, :LAYERS])
        layers = placed(drawings, boxes, self.side, margin=MARGIN) * there[:, :, None, None, None]
        picture = over(F.interpolate(behind.float(), (self.side, self.side)), layers)
        where = F.adaptive_avg_pool2d(layers[:, :, 3], self.grid).to(h.dtype)
        features = torch.einsum("bkc,bkyx->bcyx", self.to_coarsest(told[:, :LAYERS]), where)
        behind_all = (1 - where).prod(1, keepdim=True)
        return Drawn(features, picture, torch.cat([where, behind_all], 1), shares)

    def _boxes(self, h: Tensor, guess: Tensor, shares: Tensor, text: Text) -> tuple[Tensor, Tensor]:
        """(B, K, 4) boxes; (B, K) from 0 to 1, whether a layer's place is painted. guess: where it
        would be if nothing were."""
        centre, sides = 0.5 + guess[..., :2], (0.5 + guess[..., 2:4]).clamp_min(LEAST)
        held = guess.new_zeros(guess.shape[:2])
        phrases = painted_phrases(text)
        if phrases is not None and text.regions is not None:
            seen = shares @ painted_boxes(text.regions, phrases)  # (B, K, 5)
            share = seen[..., 4:].clamp_min(1e-6)
            corner, room = seen[..., :2] / share, (seen[..., 2:4] / share).clamp_min(LEAST)
            move = self.fit(torch.cat([h, room.to(h.dtype)], dim=-1)).float()
            here = (2 * seen[..., 4:]).clamp_max(1)  # half of its attention is enough
            centre = centre + here * (corner + room * (0.5 + move[..., :2]) - centre)
            sides = sides + here * (room * move[..., 2:].exp() - sides)
            held = here[..., 0]
        return torch.cat([centre - sides / 2, sides], dim=-1), held

    def _drawings(self, h: Tensor, told: Tensor) -> Tensor:
        """(B, K, 4, side, side) float32: red, green and blue, multiplied by alpha, and alpha."""
        drawn = self.drawing(told).float().unflatten(2, (4, self.drawing_side, -1))
        colours, alpha = drawn[:, :, :3], drawn[:, :, 3:].sigmoid()
        turn, shift = self.tint(h).float().split((9, 3), dim=-1)
        turned = torch.einsum("bkij,bkjyx->bkiyx", turn.unflatten(2, (3, 3)), colours)
        colours = colours + turned + shift[..., None, None]
        return torch.cat([colours * alpha, alpha], dim=2)

    def at_widest(self, picture: Tensor) -> Tensor:
        """What is added on the U-Net's widest grid."""
        entrance: Tensor = self.to_widest(F.pixel_unshuffle(picture, self.patch))
        return entrance


class Reading(nn.Module):
    """Which words each query is about: attention of one head."""

    def __init__(self, channels: int, context_width: int, head_width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.query = nn.Linear(channels, head_width, bias=False)
        self.key = nn.Linear(context_width, head_width, bias=False)

    def forward(self, x: Tensor, text: Text) -> Tensor:
        """x (B, N, C) -> shares (B, N, L), which sum to 1 over the tokens."""
        q, k = self.query(self.norm(x)), self.key(text.states)
        scores = ((q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)).float()
        return scores.masked_fill(~text.mask[:, None, :], -torch.inf).softmax(dim=-1)


def painted_phrases(text: Text) -> Tensor | None:
    """1 where a token is of a phrase that is painted, to be drawn there: (B, R, L)."""
    regions = text.regions
    if regions is None or not regions.form.placed:
        return None
    shown = (regions.weight > 0) & (regions.masks.amax((2, 3)) > 0.5)
    return columns_of(regions, text.offsets, text.states.shape[1]) * shown[:, :, None]


def painted_boxes(regions: Regions, phrases: Tensor) -> Tensor:
    """The box around where each token is painted, and 1 (0 where it is not): (B, L, 5)."""
    boxes = F.pad(bounds(regions.masks), (0, 1), value=1.0)  # (B, R, 5)
    times = phrases.sum(1).clamp_min(1)  # a token may be of several painted phrases
    return phrases.transpose(1, 2) @ boxes / times[:, :, None]


class _Residual(nn.Module):
    """x + MLP(LayerNorm(x)); x at the start."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.change = nn.Sequential(nn.LayerNorm(width), *_mlp(width, 3 * width // 2, width))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.change(x)
        return out


def apart(shares: Tensor, phrases: Tensor, there: Tensor) -> Tensor:
    """Attention after every painted phrase has got a query of its own, as far as there are enough.

    Where several things are named, one query may look at two of them, and then draws a blend, or
    two at one, and a thing is missing. Paint says what there is: the phrases are given out, most
    attention first, and whoever has one no longer looks at the others.

    Args:
        shares: (B, Q, L) of each query's attention to the tokens; phrases: (B, R, L), 1 where a
            token is of a painted phrase; there: (B, Q), how likely a query draws at all.
    """
    wanted = (shares @ phrases.transpose(1, 2)) * there[..., None]  # (B, Q, R)
    owned, rows = torch.zeros_like(wanted), torch.arange(len(wanted), device=wanted.device)
    for _ in range(min(wanted.shape[1:])):
        best, place = wanted.flatten(1).max(dim=1)
        query, phrase = place // wanted.shape[2], place % wanted.shape[2]
        owned[rows, query, phrase] = (best > 0).float()  # nobody looks at what is not painted
        wanted[rows, query], wanted[rows, :, phrase] = -1.0, -1.0
    kept = shares * (1 - (phrases.amax(1, keepdim=True) - owned @ phrases).clamp_min(0))
    kept = kept / kept.sum(-1, keepdim=True).clamp_min(1e-12)
    return torch.where(owned.any(2, keepdim=True), kept, shares)


def _mlp(enter: int, hidden: int, leave: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(enter, hidden), nn.GELU(), zero_init(nn.Linear(hidden, leave)))
