"""Linear classifiers on frozen features, fitted in closed form, and kept in files."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import safe_open
from torch import Tensor

from ediffi.core.files import make_folder, write_atomically

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


def fold(group: str) -> int:
    """Which fifth of the pictures those of this group are in."""
    return int(sha256(f"fold|{group}".encode()).hexdigest(), 16) % FOLDS


def unseen_hits(features: Tensor, labels: Sequence[str], groups: Sequence[str]) -> list[bool]:
    """Cross-validation: each fifth of the groups is judged by a head fitted on the others.

    Returns the hits of those pictures whose label the others know.
    """
    folds, out = [fold(group) for group in groups], []
    for number in range(FOLDS):
        rest = [row for row, own in enumerate(folds) if own != number]
        known = {labels[row] for row in rest}
        mine = [n for n, own in enumerate(folds) if own == number and labels[n] in known]
        if mine and len(known) > 1:
            head = LinearHead.fit(features[rest], [labels[row] for row in rest])
            out += head.hits(features[mine], [labels[row] for row in mine])
    return out


Fitted = tuple[dict[str, LinearHead], dict[str, Tensor], dict[str, Any]]
"""Heads by name, other tensors, and what is said of them (JSON)."""


def kept_heads(path: Path, fit: Callable[[], Fitted]) -> Fitted:
    """What `fit` gives, from `path` if it is there, or fitted and kept there."""
    if not path.exists():
        _write(path, *fit())
    with safe_open(path, "pt") as file:
        words = json.loads(file.metadata()["words"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    heads = {
        name: LinearHead(tensors.pop(f"{name}.weight"), tensors.pop(f"{name}.bias"), labels)
        for name, labels in words.pop("labels").items()
    }
    return heads, tensors, words


def _write(
    path: Path, heads: Mapping[str, LinearHead], tensors: Mapping[str, Tensor], words: Any
) -> None:
    parts = {f"{name}.weight": head.weight.contiguous() for name, head in heads.items()}
    parts |= {f"{name}.bias": head.bias for name, head in heads.items()}
    said = json.dumps({**words, "labels": {name: head.labels for name, head in heads.items()}})
    make_folder(path.parent)
    write_atomically(path, safetensors.torch.save({**parts, **tensors}, metadata={"words": said}))
