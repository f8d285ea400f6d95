"""Denoisers that wrap denoisers: guidance, the strength of a reference, dynamic thresholding."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ediffi.core.once import Once
from ediffi.core.types import Denoiser, StageInput


class Guided:
    """Classifier-free guidance with a weight w per sample: x0 = null + w (x0_text - null).

    w is `scale` for sigma in (interval[0], interval[1]] (Kynkaanniemi et al. 2024) and 1 outside.
    Only samples with w != 1 are evaluated twice, in one call of the wrapped denoiser; when no
    sample is, the result is bit-exactly that of the plain denoiser. When w is 0 of all of them,
    the null alone is evaluated.
    """

    def __init__(
        self,
        denoise: Denoiser,
        scale: float | Tensor,
        *,
        interval: tuple[float, float] = (0.0, math.inf),
    ) -> None:
        """scale: one float, or (B,) for a weight per sample."""
        self.denoise = denoise
        self.scale = scale
        self.interval = interval
        self._inputs: Once[StageInput] = Once()

    def __call__(self, x: Tensor, sigma: Tensor, cond: StageInput) -> Tensor:
        low, high = self.interval
        scale = torch.as_tensor(self.scale, dtype=x.dtype, device=x.device).expand(len(x))
        scale = torch.where((sigma > low) & (sigma <= high), scale, torch.ones_like(scale))
        rows = [row for row, w in enumerate(scale.tolist()) if w != 1.0]
        if not rows:
            return self.denoise(x, sigma, cond)
        if not scale.any():
            return self.denoise(x, sigma, self._inputs(cond, "null", cond.dropped))
        doubled = self._inputs(cond, tuple(rows), lambda: cond.stack(cond.dropped().rows(rows)))
        both = self.denoise(torch.cat([x, x[rows]]), torch.cat([sigma, sigma[rows]]), doubled)
        x0, null = both[: len(x)].clone(), both[len(x) :]
        x0[rows] = null + scale[rows].view(-1, 1, 1, 1) * (x0[rows] - null)
        return x0


class Referenced:
    """The pull of a reference picture, scaled: x0 = plain + strength (x0_reference - plain).

    `plain` is the denoiser with the `clip_image` role off. In terms of densities that is
    p(x | text)^(1 - s) p(x | text, reference)^s at every noise level: 0 is exactly the picture
    without a reference, 1 exactly the one with it, above 1 the reference's part is exaggerated.
    It goes inside of `Guided`, whose unconditional half has no reference and is left alone. Only
    samples with one are evaluated twice, in one call of the wrapped denoiser.
    """

    def __init__(self, denoise: Denoiser, strength: float) -> None:
        self.denoise = denoise
        self.strength = strength
        self._inputs: Once[StageInput] = Once()

    def __call__(self, x: Tensor, sigma: Tensor, cond: StageInput) -> Tensor:
        rows = []
        if self.strength != 1.0 and "clip_image" in cond.prompt.tokens:
            rows = cond.prompt.keep["clip_image"].nonzero().flatten().tolist()
        if not rows:
            return self.denoise(x, sigma, cond)
        doubled = self._inputs(cond, tuple(rows), lambda: cond.stack(_plain(cond).rows(rows)))
        both = self.denoise(torch.cat([x, x[rows]]), torch.cat([sigma, sigma[rows]]), doubled)
        x0, plain = both[: len(x)].clone(), both[len(x) :]
        x0[rows] = plain + self.strength * (x0[rows] - plain)
        return x0


class Thresholded:
    """Imagen's dynamic thresholding, Saharia et al. 2022, section 2.3, per sample.

    s = the `percentile` (in (0, 1]) of |x0|, clamped to [1, cap]; x0 <- clip(x0, -s, s) / s.
    percentile None returns the wrapped denoiser's result untouched; cap 1 is plain clipping.
    """

    def __init__(self, denoise: Denoiser, *, percentile: float | None, cap: float) -> None:
        if percentile is not None and not (0 < percentile <= 1 and cap >= 1):
            raise ValueError(f"need 0 < percentile <= 1 and cap >= 1; got {percentile}, {cap}")
        self.denoise = denoise
        self.percentile = percentile
        self.cap = cap

    def __call__(self, x: Tensor, sigma: Tensor, cond: StageInput) -> Tensor:
        x0 = self.denoise(x, sigma, cond)
        if self.percentile is None:
            return x0
        size = x0.abs().flatten(1)
        # kthvalue, as torch.quantile refuses more than 16 M values.
        s = size.kthvalue(math.ceil(self.percentile * size.shape[1]), dim=1).values
        s = s.clamp(1.0, self.cap).view(-1, 1, 1, 1)
        return x0.clamp(-s, s) / s


def _plain(cond: StageInput) -> StageInput:
    """The input without a reference picture."""
    return cond.told(cond.prompt.without("clip_image"))
