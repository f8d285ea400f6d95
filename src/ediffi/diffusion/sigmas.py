"""Noise levels: the distribution that training draws from, its equal-mass intervals (the nodes
of the tree of experts), and the schedules that sampling walks down."""

from __future__ import annotations

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from ediffi.diffusion.noise import stable_hash

# 2^64 / golden ratio. Odd, so i -> i * STEP mod 2^64 visits every value once.
GOLDEN_STEP = 0x9E3779B97F4A7C15


class NoiseDistribution(BaseModel):
    """ln sigma ~ N(mean, std^2), Karras et al. 2022; eDiff-I uses (-1.2, 1.2) everywhere.

    >>> [round(edge, 3) for edge in NoiseDistribution(mean=-1.2, std=1.2).interval(1, 0)]
    [0.0, 0.301]
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    mean: float = -1.2
    std: float = Field(default=1.2, gt=0)

    def icdf(self, u: Tensor) -> Tensor:
        """The sigma below which a share u in [0, 1] of the mass lies; float64."""
        z: Tensor = torch.special.ndtri(u.double())
        return torch.exp(self.mean + self.std * z)

    def cdf(self, sigma: Tensor) -> Tensor:
        """The share of the mass below sigma >= 0; float64."""
        u: Tensor = torch.special.ndtr((sigma.double().log() - self.mean) / self.std)
        return u

    def interval(self, level: int, index: int) -> tuple[float, float]:
        """(sigma_min, sigma_max) of node E_index^level, one of 2^level of equal mass (eDiff-I 4.1).

        The first starts at 0.0 and the last ends at inf.
        """
        nodes = 2**level
        if level < 0 or not 0 <= index < nodes:
            raise ValueError(f"node ({level}, {index}): level must be >= 0, index in [0, {nodes})")
        low, high = self.icdf(torch.tensor([index / nodes, (index + 1) / nodes])).tolist()
        return low, high

    def sample(self, u: Tensor, lo: float = 0.0, hi: float = 1.0) -> Tensor:
        """Sigmas from uniforms u in (0, 1), truncated to the mass between lo and hi; float64."""
        # One ulp below 1: lo + u * (hi - lo) may round up to 1, whose sigma is infinite.
        return self.icdf((lo + u.double() * (hi - lo)).clamp(2.0**-53, 1 - 2.0**-53))


def stratified_uniforms(indices: Tensor, seed: int) -> Tensor:
    """Uniforms (B,) in (0, 1), float64: u is a pure function of (seed, global image index).

    frac(offset + i * golden ratio) in 64-bit integers. Any run of consecutive images is evenly
    spread over (0, 1) (a Kronecker sequence has discrepancy O(log B / B)), whatever the batch
    size, the number of processes or the step at which a run resumes.

    Args:
        indices: (B,) int64, global image indices.
        seed: gives the offset.
    """
    # Two's complement: int64 arithmetic in torch wraps, which is what modulo 2^64 needs.
    step, offset = (_signed(value) for value in (GOLDEN_STEP, stable_hash("sigma", seed)))
    top52 = ((indices.long() * step + offset) >> 12) & (2**52 - 1)
    return (top52.double() + 0.5) / 2.0**52


def _signed(value: int) -> int:
    return (value + 2**63) % 2**64 - 2**63


def karras_schedule(
    num_steps: int, sigma_min: float, sigma_max: float, rho: float = 7.0
) -> list[float]:
    """num_steps sigmas from sigma_max down to sigma_min, Karras et al. 2022, equation 5.

    Samplers step from the last of them to sigma = 0, so the list does not end in 0.
    """
    if num_steps < 1 or not 0 < sigma_min <= sigma_max:
        raise ValueError(
            f"a schedule needs num_steps >= 1 and 0 < sigma_min <= sigma_max; "
            f"got num_steps={num_steps}, sigma_min={sigma_min}, sigma_max={sigma_max}"
        )
    if num_steps == 1:
        return [sigma_max]
    top, bottom = sigma_max ** (1 / rho), sigma_min ** (1 / rho)
    inner = [(top + i / (num_steps - 1) * (bottom - top)) ** rho for i in range(1, num_steps - 1)]
    return [sigma_max, *inner, sigma_min]
