"""Distances between sets of features, where the answer is known."""

import numpy as np
import pytest
import torch

from ediffi.evaluate.distances import cmmd, frechet, gaussian_distance, kid, neighbours
from ediffi.evaluate.heads import LinearHead, unseen_hits
from ediffi.evaluate.matcher import Matcher
from ediffi.evaluate.shares import exchanged, share, wilson


def cloud(num: int, seed: int, dims: int = 16, shift: float = 0.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(num, dims, generator=generator) + shift


def test_frechet_of_gaussians_in_closed_form() -> None:
    rng = np.random.default_rng(0)
    basis, _ = np.linalg.qr(rng.normal(size=(6, 6)))
    a, b = rng.uniform(0.1, 3, 6), rng.uniform(0.1, 3, 6)
    # covariances that share their axes: the distance is that of the standard deviations
    cov_a, cov_b = (basis * a**2) @ basis.T, (basis * b**2) @ basis.T
    mean = rng.normal(size=6)
    expected = (mean**2).sum() + ((a - b) ** 2).sum()
    assert gaussian_distance(np.zeros(6), cov_a, mean, cov_b) == pytest.approx(expected)


def test_frechet_of_fewer_pictures_than_features() -> None:
    few = cloud(8, 0, dims=32)
    assert frechet(few, few) == pytest.approx(0, abs=1e-4)
    assert frechet(few, few + 2) == pytest.approx(4 * 32, rel=1e-6)


def test_kernel_distance_is_unbiased_and_its_interval_honest() -> None:
    inside = 0
    values = []
    for seed in range(40):
        found = kid(cloud(60, 2 * seed), cloud(60, 2 * seed + 1), seed=seed)
        values.append(found.value)
        inside += found.low <= 0 <= found.high
    assert abs(np.mean(values)) < 3 * np.std(values) / 40**0.5
    assert inside >= 32  # of 40: 95 % are expected
    apart = kid(cloud(60, 0), cloud(60, 1, shift=0.5))
    assert apart.low > 0
    assert kid(cloud(60, 0), cloud(60, 1)) == kid(cloud(60, 0), cloud(60, 1))


def test_cmmd_in_closed_form() -> None:
    here, there = torch.tensor([[2.0, 0.0]] * 3), torch.tensor([[0.0, 5.0]] * 4)
    assert cmmd(here, here) == 0
    assert cmmd(here, there) == pytest.approx(2000 * (1 - np.exp(-2 / 200)))  # unit vectors


def test_neighbourhoods() -> None:
    real, fake = cloud(400, 0), cloud(400, 1)
    same = neighbours(real, fake)
    assert same["precision"] > 0.8 and same["recall"] > 0.8
    assert same["density"] == pytest.approx(1, abs=0.15) and same["coverage"] > 0.9
    far = neighbours(real, fake + 50)
    assert (far["precision"], far["recall"], far["density"], far["coverage"]) == (0, 0, 0, 0)
    one_spot = neighbours(real, real[:1] + 0.01 * fake)  # good pictures, all alike
    assert one_spot["precision"] == 1 and one_spot["recall"] < 0.05 < same["recall"]


def test_null_exchanges_everyone() -> None:
    assert exchanged([1, 2, 3, 4, 5]) == [3, 4, 5, 1, 2]
    low, high = wilson(90, 100)
    assert low < 0.9 < high and high - low < 0.13
    assert share([]) == {"share": None, "interval": [0.0, 1.0], "pictures": 0}


def test_linear_head_and_cross_validation() -> None:
    centres = cloud(5, 3, dims=32)
    labels = [f"c{i % 5}" for i in range(100)]
    features = centres.repeat(20, 1) + 0.3 * cloud(100, 4, dims=32)
    head = LinearHead.fit(features[:50], labels[:50])
    assert np.mean(head.hits(features[50:], labels[50:])) > 0.95
    assert np.mean(head.hits(features[50:], exchanged(labels[50:51] * 50))) < 0.5
    assert all(head.hits(features, labels, 5))
    hits = unseen_hits(features, labels, [f"group {i // 5}" for i in range(100)])
    assert len(hits) == 100 and np.mean(hits) > 0.9
    # a label whose every picture is of one group is known to no other, and not asked for
    assert unseen_hits(features, labels, labels) == []
    with pytest.raises(ValueError, match="3 features, but 1"):
        LinearHead.fit(features[:3], labels[:1])


def test_matcher_finds_captions_it_was_not_fitted_on() -> None:
    hidden = cloud(600, 5, dims=8)
    images = hidden @ cloud(8, 6, dims=64) + 0.1 * cloud(600, 7, dims=64)
    texts = hidden @ cloud(8, 8, dims=24) + 0.1 * cloud(600, 9, dims=24)
    matcher = Matcher.fit(images[:400], texts[:400])
    captions = [f"caption {n}" for n in range(200)]
    own = np.mean(matcher.first(images[400:], texts[400:], captions))
    order = exchanged(range(200))
    null = np.mean(matcher.first(images[400:], texts[400:][order], captions))
    assert own > 0.6 and null < 0.06
    cosines = matcher.score(images[400:], texts[400:])
    assert cosines.mean() > matcher.score(images[400:], texts[400:][order]).mean() + 0.3
