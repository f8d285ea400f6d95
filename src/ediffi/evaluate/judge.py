"""Which concept does a picture show? The nearest class mean in frozen features."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


class ConceptJudge:
    """Nearest class mean by cosine, features centred on the mean of what it was fitted on.

    >>> points = torch.tensor([[2.0, 0.0], [2.1, 0.1], [0.0, 1.0], [0.1, 1.1]])
    >>> judge = ConceptJudge.fit(points, ["cat", "cat", "dog", "dog"])
    >>> judge.top_k(torch.tensor([[3.0, 0.5]]), 1)
    [['cat']]
    """

    def __init__(self, centre: Tensor, means: Tensor, labels: tuple[str, ...]) -> None:
        """centre: (D,); means: (C, D), unit length; labels: C."""
        self.centre = centre
        self.means = means
        self.labels = labels

    @classmethod
    def fit(cls, features: Tensor, labels: Sequence[str]) -> ConceptJudge:
        """features: (N, D) of real pictures; labels: N, what each shows."""
        if len(features) != len(labels):
            raise ValueError(f"{len(features)} features, but {len(labels)} labels")
        names = tuple(sorted(set(labels)))
        place = {name: number for number, name in enumerate(names)}
        rows = torch.tensor([place[label] for label in labels])
        centre = features.mean(0)
        unit = F.normalize(features - centre, dim=1)
        # A sum has the direction of the mean, and length does not matter to a cosine.
        sums = torch.zeros(len(names), features.shape[1]).index_add_(0, rows, unit)
        return cls(centre, F.normalize(sums, dim=1), names)

    def top_k(self, features: Tensor, k: int) -> list[list[str]]:
        """The k likeliest labels of each of (B, D) features, best first."""
        scores = F.normalize(features - self.centre, dim=1) @ self.means.T
        return [[self.labels[i] for i in row] for row in scores.topk(k, dim=1).indices.tolist()]

    def accuracy(self, features: Tensor, labels: Sequence[str], k: int) -> float:
        """Share of pictures whose own label is among their k likeliest."""
        hits = [own in best for own, best in zip(labels, self.top_k(features, k), strict=True)]
        return sum(hits) / len(hits)
