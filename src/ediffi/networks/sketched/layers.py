"""Drawings put into boxes of a canvas, and over each other. B pictures, K layers of each."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

GAP = 0.04  # least distance of boxes, as a share of the canvas; the median of training scenes
TURNS, SHRINK = 32, 0.97  # of `spread`
STRAY = 0.01  # of a mask's sum, on each side


def placed(drawings: Tensor, boxes: Tensor, side: int, *, margin: float = 0.0) -> Tensor:
    """Each drawing in its box of an empty canvas, (B, K, C, side, side).

    A product with two matrices of filters, one for rows and one for columns, as in DRAW (Gregor et
    al. 2015): each pixel gets the mean, over its area, of the drawing interpolated linearly.

    Args:
        drawings: (B, K, C, S, S), colours multiplied by alpha.
        boxes: (B, K, 4) x, y, width, height, shares of the canvas.
        margin: share of a box's sides by which its drawing is larger on each side.

    >>> one = torch.ones(1, 1, 1, 2, 2)
    >>> placed(one, torch.tensor([[[0.5, 0.0, 0.5, 1.0]]]), 4)[0, 0, 0, 1].tolist()
    [0.0, 0.125, 0.875, 0.875]
    """
    columns = _filters(boxes[..., 0], boxes[..., 2], drawings.shape[-1], side, margin)
    rows = _filters(boxes[..., 1], boxes[..., 3], drawings.shape[-1], side, margin)
    return rows[:, :, None] @ drawings @ columns[:, :, None].transpose(-1, -2)


def _filters(start: Tensor, length: Tensor, num: int, side: int, margin: float) -> Tensor:
    """What each of a canvas's pixels sees of a drawing's along one axis: (B, K, side, num)."""
    start, length = (start - margin * length).float(), ((1 + 2 * margin) * length).float()
    edges = torch.arange(side + 1, device=start.device) / side
    at = (edges - start[..., None]) / length[..., None] * num - 0.5  # in the drawing's pixels
    sums = _ramp(at[..., None] - torch.arange(num, device=start.device))
    return (sums[:, :, 1:] - sums[:, :, :-1]) / (num / (side * length))[..., None, None]


def _ramp(x: Tensor) -> Tensor:
    """The integral of a triangle from -1 to 1 up to x: 0 to 1."""
    x = x.clamp(-1, 1)
    return 0.5 + x - 0.5 * x * x.abs()


def spread(boxes: Tensor, there: Tensor, held: Tensor) -> Tensor:
    """The boxes (B, K, 4) moved apart where two are nearer than GAP, and kept on the canvas.

    In turns, both of a pair go half of the shorter way out, or one all of it if the other is
    held; where some turns have not been enough, they get smaller too. The others stay as they are.

    Args:
        there, held: (B, K) bool: which boxes count, and which of them stay where they are.

    >>> one = torch.tensor([[[0.3, 0.3, 0.3, 0.4], [0.4, 0.3, 0.3, 0.4]]])
    >>> yes = torch.ones(1, 2, dtype=torch.bool)
    >>> [round(x, 2) for x in spread(one, yes, ~yes)[0, :, 0].tolist()]
    [0.18, 0.52]
    """
    sides, centres = boxes[..., 2:], boxes[..., :2] + boxes[..., 2:] / 2
    order = torch.arange(boxes.shape[1], device=boxes.device)
    first = torch.where(order[:, None] < order, -1.0, 1.0)[..., None]  # if two share a centre
    pair = there[:, :, None] & there[:, None] & ~(held[:, :, None] & held[:, None])
    pair = pair & (order[:, None] != order)
    part = torch.where(held[:, None], 1.0, 0.5) * ~held[:, :, None]  # of the way that i goes for j
    for turn in range(TURNS):
        away = centres[:, :, None] - centres[:, None]  # (B, K, K, 2), from j to i
        lack = (sides[:, :, None] + sides[:, None]) / 2 + GAP - away.abs()
        clash = pair & (lack > 1e-4).all(-1)
        if not clash.any():
            break
        way = F.one_hot(lack.argmin(-1), 2) * lack * torch.where(away == 0, first, away.sign())
        move = (way * (part * clash)[..., None]).sum(2)
        free = clash.any(-1, keepdim=True) & ~held[..., None]
        if turn >= TURNS // 4:
            sides = torch.where(free, sides * SHRINK, sides)
        inside = (centres + move).clamp(sides / 2, 1 - sides / 2)
        centres = torch.where(free, inside, centres)
    return torch.cat([centres - sides / 2, sides], dim=-1)


def over(backdrop: Tensor, layers: Tensor) -> Tensor:
    """The layers (B, K, 4, H, W), colours multiplied by alpha and alpha, one after the other over
    the backdrop (B, 3, H, W)."""
    picture = backdrop
    for layer in layers.unbind(1):
        picture = picture * (1 - layer[:, 3:]) + layer[:, :3]
    return picture


def bounds(masks: Tensor) -> Tensor:
    """The boxes (B, R, 4) that hold all but the outermost hundredth of masks (B, R, H, W) on each
    side, which may be what a brush left by accident: x, y, width, height, shares of the canvas."""
    sides = []
    for across in (2, 3):
        profile = masks.sum(across)
        share = profile.cumsum(-1) / profile.sum(-1, keepdim=True).clamp_min(1e-6)
        low = (share <= STRAY).sum(-1) / masks.shape[5 - across]
        high = 1 - (share >= 1 - STRAY).sum(-1).sub(1).clamp_min(0) / masks.shape[5 - across]
        sides.append((low, (high - low).clamp_min(0)))
    (x, width), (y, height) = sides
    return torch.stack([x, y, width, height], dim=-1)
