"""How far apart are two sets of pictures? Distances between sets of features.

Shape legend: N pictures, M others, D features. All sums are float64.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Floats = NDArray[np.float64]

HALVES = 200  # half-samples that an interval is made of
NEAREST = 5  # neighbours whose distance is a picture's radius (Naeem et al. 2020)


def frechet(a: Tensor, b: Tensor) -> float:
    """Frechet distance of the Gaussians fitted to (N, D) and (M, D): Heusel et al. 2017, eq. 6."""
    return gaussian_distance(*moments(a), *moments(b))


def moments(features: Tensor) -> tuple[Floats, Floats]:
    """Mean (D,) and covariance (D, D), unbiased."""
    values = _array(features)
    return values.mean(0), np.atleast_2d(np.cov(values, rowvar=False))


def gaussian_distance(mean_a: Floats, cov_a: Floats, mean_b: Floats, cov_b: Floats) -> float:
    """|m_a - m_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2)).

    C_a C_b has the eigenvalues of the symmetric C_a^(1/2) C_b C_a^(1/2), so no square root of an
    asymmetric matrix is needed, and singular covariances (N <= D) are no special case.

    >>> one, zero = np.eye(2), np.zeros(2)
    >>> gaussian_distance(zero, one, np.array([3.0, 4.0]), 4 * one)  # 25 + 2 (1 + 4 - 2 * 2)
    27.0
    """
    values, vectors = np.linalg.eigh(cov_a)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    inner = np.linalg.eigvalsh(root @ cov_b @ root)
    trace = np.trace(cov_a) + np.trace(cov_b) - 2 * np.sqrt(inner.clip(0)).sum()
    return float(((mean_a - mean_b) ** 2).sum() + trace)


@dataclass(frozen=True)
class Interval:
    """A figure and where it lies with 95 % confidence."""

    value: float
    low: float
    high: float

    def scaled(self, factor: float) -> dict[str, float]:
        return {name: value * factor for name, value in vars(self).items()}


def kid(a: Tensor, b: Tensor, *, seed: int = 0) -> Interval:
    """Kernel distance, Binkowski et al. 2018: unbiased squared MMD, k(x, y) = (x.y / D + 1)^3.

    The interval is +-1.96 standard errors; these are the spread of the same estimate over seeded
    half-samples of both sets, which for half-samples needs no correction of its size.
    """
    x, y = _array(a), _array(b)
    xx, yy, xy = _kernel(x, x), _kernel(y, y), _kernel(x, y)
    whole = _mmd2(xx, yy, xy, np.ones((1, len(x))), np.ones((1, len(y))))[0]
    if min(len(x), len(y)) < 4:
        return Interval(float(whole), float("nan"), float("nan"))
    rng = np.random.default_rng(seed)
    halves = _mmd2(xx, yy, xy, _half_samples(len(x), rng), _half_samples(len(y), rng))
    error = 1.96 * float(halves.std(ddof=1))
    return Interval(float(whole), float(whole) - error, float(whole) + error)


def cmmd(a: Tensor, b: Tensor) -> float:
    """CMMD, Jayasumana et al. 2024, of CLIP embeddings: squared MMD of unit vectors with the kernel
    exp(-|x - y|^2 / 200), the biased estimate times 1,000, as they report it."""
    x, y = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (_array(a), _array(b)))
    xx, yy, xy = (np.exp(-_squared(p, q) / 200).mean() for p, q in ((x, x), (y, y), (x, y)))
    return float(1000 * (xx + yy - 2 * xy))


def neighbours(real: Tensor, fake: Tensor, *, nearest: int = NEAREST) -> dict[str, float]:
    """Precision and recall (Kynkaanniemi et al. 2019), density and coverage (Naeem et al. 2020).

    precision: share of fakes inside the manifold of reals, recall: of reals inside that of fakes;
    density: how many real neighbourhoods a fake lies in, over what is expected, 1 for reals;
    coverage: share of real neighbourhoods with a fake in them.
    """
    nearest = min(nearest, len(real) - 1, len(fake) - 1)
    r, f = _array(real), _array(fake)
    radius_r, radius_f = _radius(r, nearest), _radius(f, nearest)
    between = _squared(r, f)  # (N, M)
    inside = between <= radius_r[:, None]
    return {
        "nearest": nearest,
        "precision": float(inside.any(0).mean()),
        "recall": float((between <= radius_f[None]).any(1).mean()),
        "density": float(inside.sum() / (nearest * len(f))),
        "coverage": float((between.min(1) <= radius_r).mean()),
    }


def _array(features: Tensor) -> Floats:
    values: Floats = features.double().cpu().numpy()
    return values


def _kernel(x: Floats, y: Floats) -> Floats:
    kernel: Floats = (x @ y.T / x.shape[1] + 1) ** 3
    return kernel


def _mmd2(xx: Floats, yy: Floats, xy: Floats, keep_x: Floats, keep_y: Floats) -> Floats:
    """Unbiased MMD^2 of subsets: keep_x (R, N) and keep_y (R, M) hold ones and zeros."""
    n, m = keep_x.sum(1), keep_y.sum(1)
    within_x = ((keep_x @ xx) * keep_x).sum(1) - keep_x @ np.diagonal(xx)
    within_y = ((keep_y @ yy) * keep_y).sum(1) - keep_y @ np.diagonal(yy)
    between = ((keep_x @ xy) * keep_y).sum(1)
    out: Floats = within_x / (n * (n - 1)) + within_y / (m * (m - 1)) - 2 * between / (n * m)
    return out


def _half_samples(num: int, rng: np.random.Generator) -> Floats:
    rank = rng.random((HALVES, num)).argsort(1).argsort(1)
    return (rank < num // 2).astype(np.float64)


def _squared(x: Floats, y: Floats) -> Floats:
    out: Floats = (x**2).sum(1)[:, None] + (y**2).sum(1)[None] - 2 * x @ y.T
    return out.clip(0)


def _radius(x: Floats, nearest: int) -> Floats:
    """Squared distance to the nearest-th neighbour, itself not counted: (N,)."""
    out: Floats = np.partition(_squared(x, x), nearest, axis=1)[:, nearest]
    return out
