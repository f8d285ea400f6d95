"""Denoisers that wrap denoisers: guidance, the strength of a reference, dynamic thresholding."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from ediffi.core.types import Denoiser, Prompt, Regions, StageInput, Tokens


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

    def __call__(self, x: Tensor, sigma: Tensor, cond: StageInput) -> Tensor:
        low, high = self.interval
        scale = torch.as_tensor(self.scale, dtype=x.dtype, device=x.device).expand(len(x))
        scale = torch.where((sigma > low) & (sigma <= high), scale, torch.ones_like(scale))
        rows = [row for row, w in enumerate(scale.tolist()) if w != 1.0]
        if not rows:
            return self.denoise(x, sigma, cond)
        if not scale.any():
            return self.denoise(x, sigma, _only_null(cond))
        both = self.denoise(
            torch.cat([x, x[rows]]), torch.cat([sigma, sigma[rows]]), with_null(cond, rows)
        )
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

    def __call__(self, x: Tensor, sigma: Tensor, cond: StageInput) -> Tensor:
        rows = []
        if self.strength != 1.0 and "clip_image" in cond.prompt.tokens:
            rows = cond.prompt.keep["clip_image"].nonzero().flatten().tolist()
        if not rows:
            return self.denoise(x, sigma, cond)
        both = self.denoise(
            torch.cat([x, x[rows]]), torch.cat([sigma, sigma[rows]]), _with_plain(cond, rows)
        )
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


def with_null(cond: StageInput, rows: list[int]) -> StageInput:
    """`cond` followed by its unconditional copy of `rows`: same low_res, same augmentation.

    Built once and kept in cond.memo, so that what a network memoises on it (text keys and
    values) lives as long as the picture's sampling.
    """
    return _with_copy(cond, rows, "null", cond.prompt.dropped)


def _with_plain(cond: StageInput, rows: list[int]) -> StageInput:
    """`cond` followed by its copy of `rows` without a reference picture."""
    return _with_copy(cond, rows, "plain", lambda: cond.prompt.without("clip_image"))


def _with_copy(
    cond: StageInput, rows: list[int], name: str, prompt: Callable[[], Prompt]
) -> StageInput:
    key = (name, *rows)
    if key not in cond.memo:
        copy = StageInput(prompt(), cond.low_res, cond.augmentation)
        cond.memo[key] = stack_inputs(cond, copy.map(lambda t: t[rows]))
    doubled: StageInput = cond.memo[key]
    return doubled


def stack_inputs(a: StageInput, b: StageInput) -> StageInput:
    """The batch of `a` followed by that of `b`, of one stage: same roles, lengths and sizes.

    Regions may be in one only, or fewer in one than in the other: what is missing is made up by
    regions of weight 0 that paint nothing. Masks of both have one size, and both one form.
    """
    if a.prompt.tokens.keys() != b.prompt.tokens.keys() or (a.low_res is None) != (
        b.low_res is None
    ):
        raise ValueError("only inputs of one stage with the same roles can be stacked")
    return StageInput(
        _stack_prompts(a.prompt, b.prompt),
        None if a.low_res is None or b.low_res is None else torch.cat([a.low_res, b.low_res]),
        None
        if a.augmentation is None or b.augmentation is None
        else torch.cat([a.augmentation, b.augmentation]),
    )


def _stack_prompts(a: Prompt, b: Prompt) -> Prompt:
    tokens = {}
    for role, one in a.tokens.items():
        two = b.tokens[role]
        tokens[role] = Tokens(
            torch.cat([one.states, two.states]),
            torch.cat([one.mask, two.mask]),
            torch.cat([one.pooled, two.pooled]),
        )
    keep = {role: torch.cat([flags, b.keep[role]]) for role, flags in a.keep.items()}
    return Prompt(tokens, keep, _stack_regions(a, b))


def _stack_regions(a: Prompt, b: Prompt) -> Regions | None:
    one = a.regions or _no_regions(b.regions, len(a))
    two = b.regions or _no_regions(a.regions, len(b))
    if one is None or two is None:
        return None
    if (one.form, one.window) != (two.form, two.window):
        raise ValueError("only regions of one form and window can be stacked")
    num = max(one.weight.shape[1], two.weight.shape[1])
    one, two = (r.map(lambda t: _with_rows(t, num)) for r in (one, two))
    return replace(
        one,
        masks=torch.cat([one.masks, two.masks]),
        columns={role: torch.cat([c, two.columns[role]]) for role, c in one.columns.items()},
        weight=torch.cat([one.weight, two.weight]),
    )


def _with_rows(t: Tensor, num: int) -> Tensor:
    """(B, R, ...) with zeros up to R = num."""
    return torch.cat([t, t.new_zeros(len(t), num - t.shape[1], *t.shape[2:])], dim=1)


def _no_regions(like: Regions | None, batch: int) -> Regions | None:
    return like and like.map(lambda t: t.new_zeros(batch, *t.shape[1:]))


def _only_null(cond: StageInput) -> StageInput:
    """The unconditional copy of `cond` alone, kept in cond.memo as `with_null` is."""
    if "only_null" not in cond.memo:
        cond.memo["only_null"] = StageInput(cond.prompt.dropped(), cond.low_res, cond.augmentation)
    null: StageInput = cond.memo["only_null"]
    return null
