"""The judge of concepts of the protocols `first-weights` and `layout`: the nearest class mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor

from ediffi.evaluate.heads import LinearHead
from ediffi.evaluate.shares import mean


class NearestMean(LinearHead):
    """Nearest class mean by cosine, features centred on the mean of what it was fitted on.

    >>> points = torch.tensor([[2.0, 0.0], [2.1, 0.1], [0.0, 1.0], [0.1, 1.1]])
    >>> judge = NearestMean.fit(points, ["cat", "cat", "dog", "dog"])
    >>> judge.top_k(torch.tensor([[3.0, 0.5]]), 1)
    [['cat']]
    """

    centre: Tensor

    @classmethod
    def fit(cls, features: Tensor, labels: Sequence[str]) -> Self:
        """features: (N, D) of real pictures; labels: N, what each shows."""
        if len(features) != len(labels):
            raise ValueError(f"{len(features)} features, but {len(labels)} labels")
        names = sorted(set(labels))
        rows = torch.tensor([names.index(label) for label in labels])
        centre = features.mean(0)
        unit = F.normalize(features - centre, dim=1)
        # A sum has the direction of the mean, and length does not matter to a cosine.
        sums = torch.zeros(len(names), features.shape[1]).index_add_(0, rows, unit)
        judge = cls(F.normalize(sums, dim=1).T, torch.zeros(len(names)), names)
        judge.centre = centre
        return judge

    def scores(self, features: Tensor) -> Tensor:
        """(B, D) -> cosines (B, C)."""
        return super().scores(F.normalize(features - self.centre, dim=1))

    def tops(self, features: Tensor, labels: Sequence[str]) -> dict[str, float | None]:
        """Shares of pictures whose own label is the likeliest, and among the five likeliest."""
        return {f"top{k}": mean(self.hits(features, labels, k)) for k in (1, 5)}
