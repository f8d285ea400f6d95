"""The nearest-mean judge on clusters whose answer is known."""

import pytest
import torch

from studies.nearest_mean import NearestMean


def clusters(per_class: int, seed: int) -> tuple[torch.Tensor, list[str]]:
    """Ten classes in 32 dimensions, far from the origin, less spread than apart."""
    generator = torch.Generator().manual_seed(0)
    centres = 50 + torch.randn(10, 32, generator=generator)
    noise = torch.randn(10, per_class, 32, generator=generator.manual_seed(seed))
    features = (centres[:, None] + 0.4 * noise).flatten(0, 1)
    return features, [f"c{i // per_class}" for i in range(10 * per_class)]


def test_unseen_members_are_told_apart() -> None:
    judge = NearestMean.fit(*clusters(5, seed=1))
    features, labels = clusters(20, seed=2)
    own = judge.tops(features, labels)
    assert own["top1"] is not None and own["top1"] > 0.95 and own["top5"] == 1.0
    shuffled = labels[20:] + labels[:20]
    assert sum(judge.hits(features, shuffled)) < 0.05 * len(labels)
    assert all(judge.hits(features, shuffled, 10))


def test_best_comes_first() -> None:
    judge = NearestMean.fit(*clusters(5, seed=1))
    top = judge.top_k(clusters(1, seed=3)[0], 3)
    assert [row[0] for row in top] == [f"c{i}" for i in range(10)]
    assert all(len(set(row)) == 3 for row in top)


def test_labels_must_match_features() -> None:
    with pytest.raises(ValueError, match="10 features, but 9"):
        NearestMean.fit(torch.zeros(10, 4), ["a"] * 9)
