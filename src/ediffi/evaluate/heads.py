"""Linear classifiers on frozen features, fitted in closed form."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256

import torch
from torch import Tensor

from ediffi.data.heldout import drawing

FOLDS = 5
RIDGE = 0.3  # times the mean variance of the features


class LinearHead:
    """Ridge regression to one-hot labels: the highest score is the answer.

    >>> head = LinearHead.fit(torch.eye(4), ["cat", "cat", "dog", "dog"])
    >>> head.top_k(torch.tensor([[0.0, 0.0, 1.0, 0.0]]), 1)
    [['dog']]
    """

    def __init__(self, weight: Tensor, bias: Tensor, labels: Sequence[str]) -> None:
        """weight: (D, C); bias: (C,); labels: C."""
        self.weight = weight
        self.bias = bias
        self.labels = tuple(labels)

    @classmethod
    def fit(cls, features: Tensor, labels: Sequence[str]) -> LinearHead:
        """features: (N, D) of real pictures; labels: N, what each shows."""
        if len(features) != len(labels):
            raise ValueError(f"{len(features)} features, but {len(labels)} labels")
        names = sorted(set(labels))
        place = {name: number for number, name in enumerate(names)}
        x = features.double()
        mean = x.mean(0)
        x = x - mean
        target = torch.zeros(len(x), len(names), dtype=x.dtype)
        target[torch.arange(len(x)), torch.tensor([place[label] for label in labels])] = 1
        share = target.mean(0)
        gram = x.T @ x
        gram.diagonal().add_(RIDGE * gram.diagonal().mean())
        weight = torch.linalg.solve(gram, x.T @ (target - share))
        return cls(weight.float(), (share - mean @ weight).float(), names)

    def scores(self, features: Tensor) -> Tensor:
        """(B, D) -> (B, C), about 1 for the right label and 0 for the others."""
        return features @ self.weight + self.bias

    def top_k(self, features: Tensor, k: int) -> list[list[str]]:
        """The k likeliest labels of each of (B, D) features, best first."""
        best = self.scores(features).topk(min(k, len(self.labels)), dim=1).indices
        return [[self.labels[i] for i in row] for row in best.tolist()]

    def hits(self, features: Tensor, labels: Sequence[str], k: int = 1) -> list[bool]:
        """For each picture: is its own label among its k likeliest?"""
        best = self.top_k(features, k)
        return [own in row for own, row in zip(labels, best, strict=True)]


def fold(hexcode: str, style: str) -> int:
    """Which fifth of the drawings this one is in; styles that share geometry share it."""
    return int(sha256(f"fold|{hexcode}|{drawing(style)}".encode()).hexdigest(), 16) % FOLDS


def unseen_drawings(
    features: Tensor,
    labels: Sequence[str],
    folds: Sequence[int],
    *,
    of: Callable[[int], bool] = lambda row: True,
) -> list[tuple[int, bool]]:
    """Cross-validation: each fifth of the drawings is judged by a head fitted on the others.

    of: which rows to judge. Returns (row, hit) of those whose label the others know.
    """
    out = []
    for number in range(FOLDS):
        rest = [row for row, own in enumerate(folds) if own != number]
        known = {labels[row] for row in rest}
        mine = [
            row
            for row, own in enumerate(folds)
            if own == number and of(row) and labels[row] in known
        ]
        if not mine or len(known) < 2:
            continue
        head = LinearHead.fit(features[rest], [labels[row] for row in rest])
        out += list(zip(mine, head.hits(features[mine], [labels[r] for r in mine]), strict=True))
    return out
