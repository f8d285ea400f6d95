"""Losses of a CLIP whose batch has several right answers.

Shape legend: B pairs of a picture and a caption, C concepts, D the joint space.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def positives(things: Tensor, style: Tensor, styled: Tensor, shared: float) -> Tensor:
    """How right caption j (column) is for picture i (row), (B, B): 1 for its own, `shared` for one
    of the same things that tells either the picture's style or none, 0 for all others.

    things, style: (B,) numbers; styled: (B,) bool, whether a caption tells the style.

    >>> positives(torch.tensor([7, 7]), torch.tensor([0, 1]), torch.tensor([True, False]), 0.5)
    tensor([[1.0000, 0.5000],
            [0.0000, 1.0000]])
    """
    num = len(styled)
    same = things[:, None] == things[:num]
    fits = (style[:, None] == style[:num]) | ~styled
    right = shared * (same & fits).float()
    return right.fill_diagonal_(1)


def contrastive_loss(logits: Tensor, right: Tensor) -> Tensor:
    """Cross-entropy of pictures against captions and the other way, with the weights `right` made
    to sum to 1 over each row (column) as soft targets. With one positive a row it is CLIP's loss
    (Radford et al. 2021). logits, right: (B, B), pictures in rows."""
    named = right.sum(1) > 0
    rows = right[named]
    over_captions = F.cross_entropy(logits[named], rows / rows.sum(1, keepdim=True))
    over_pictures = F.cross_entropy(logits.T, right.T / right.sum(0)[:, None])
    return (over_captions + over_pictures) / 2


def anchor_loss(
    embeds: Tensor, anchors: Tensor, target: Tensor, scale: Tensor, smoothing: float
) -> Tensor:
    """Cross-entropy of each embedding against all anchors, (B,).

    A batch has a few hundred things; anchors, one learned point of the joint space for each concept
    (or style) that pictures and captions share, are wrong answers for all of them. embeds: (B, D)
    and anchors: (C, D), of any length; target: (B, C) shares.
    """
    logits = scale * F.normalize(embeds, dim=1) @ F.normalize(anchors, dim=1).T
    return F.cross_entropy(logits, target, reduction="none", label_smoothing=smoothing)
