"""Paint with words: what painted phrases add to the scores of cross-attention (eDiff-I, sec. 4.3).

Shape legend: B pictures, h heads, N = H * W positions, L context tokens, R regions.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ediffi.core.types import Regions, Window


def columns_of(regions: Regions, offsets: dict[str, int], length: int) -> Tensor:
    """1 where a token of the context is of a region's phrase, else 0: (B, R, L), float32.

    offsets[role]: where the role's tokens start among the L.
    """
    batch, num = regions.weight.shape
    tokens = regions.masks.new_zeros(batch, num, length)
    for role, own in regions.columns.items():
        start = offsets[role]
        tokens[:, :, start : start + own.shape[-1]] = own
    return tokens


def painted(regions: Regions, tokens: Tensor, size: tuple[int, int]) -> Tensor:
    """w' A: (B, 1, N, L); column t holds the masks of the phrases with token t on an (H, W) grid.

    tokens: of `columns_of`.
    """
    masks = resized(regions.masks, size, regions.window)
    masks = (masks * regions.weight[:, :, None, None]).flatten(2)  # (B, R, N)
    return (masks.transpose(1, 2) @ tokens)[:, None]


def region_bias(
    scores: Tensor, regions: Regions, weighted: Tensor, sigma: Tensor, seen: Tensor, per_query: bool
) -> Tensor:
    """w A, to be added to the scores Q K^T / sqrt(d) (B, h, N, L): (B, 1, N, L).

    w = w' * growth(sigma) * scale(scores), see `RegionForm`. The scale is taken over one sample,
    so that a picture does not depend on its batch mates, or over each query (`per_query`), so that
    a tile does not depend on the rest of the picture.

    Args:
        weighted: of `painted`; sigma: (B,); seen: (B, L) bool, tokens that are not padding.
    """
    form, sigma = regions.form, sigma.float()
    growth = torch.log1p(sigma if form.growth == "sigma" else sigma.square())
    measure = _largest if form.scale == "max" else _deviation
    across = (1, 3) if per_query else (1, 2, 3)
    scale = measure(scores.detach(), seen[:, None, None, :], across)
    return (growth[:, None, None, None] * scale * weighted).to(scores.dtype)


def _largest(scores: Tensor, visible: Tensor, across: tuple[int, ...]) -> Tensor:
    """The largest score, not below 0, where its sign would turn a phrase away."""
    highest = scores.masked_fill(~visible, -torch.inf).amax(across, keepdim=True)
    return highest.clamp_min(0).float()


def _deviation(scores: Tensor, visible: Tensor, across: tuple[int, ...]) -> Tensor:
    """The standard deviation of the scores of tokens that are not padding."""
    shown, scores = visible.expand_as(scores).float(), scores.float()
    count = shown.sum(across, keepdim=True)
    mean = (scores * shown).sum(across, keepdim=True) / count
    return (((scores - mean).square() * shown).sum(across, keepdim=True) / count).sqrt()


def resized(masks: Tensor, size: tuple[int, int], window: Window | None) -> Tensor:
    """(B, R, H, W) masks of the whole picture on a layer's grid: (B, R, *size).

    A window gets its part of the grid that the whole would have, so that tiles equal the whole.
    """
    if window is None:
        return F.interpolate(masks, size, mode="bilinear", antialias=True)
    y = (window.bottom - window.top) // size[0]  # pixels per cell of the grid
    x = (window.right - window.left) // size[1]
    whole = (window.height // y, window.width // x)
    masks = F.interpolate(masks, whole, mode="bilinear", antialias=True)
    top, left = window.top // y, window.left // x
    return masks[:, :, top : top + size[0], left : left + size[1]]
