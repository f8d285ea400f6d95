"""Diffusion around a prior prediction of the picture: the network draws only what that lacks."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ediffi.core.once import Once
from ediffi.core.types import StageInput


class Predicted(NamedTuple):
    """What a prior says without noise. picture: (B, 3, H, W) float32, its prediction of x0; hint:
    (B, C, h, w), its features for the network's widest grid, or None."""

    picture: Tensor
    hint: Tensor | None


class Around(nn.Module):
    """D(x; sigma) = p + denoise(x - p; sigma), p the prior's prediction of x0.

    Regression first and diffusion of the residual around it, as in CorrDiff (Mardani et al. 2023):
    an upscaler's prior is its enlarged low-resolution picture. `denoise` is a denoiser of the
    residual, whose sigma_data is the residual's standard deviation, so sampling can start from p
    plus little noise. The prior is fixed here: it is trained before, in a run of its own, and its
    prediction is computed once per input when no gradient is asked for.

    Args:
        denoise: (x, sigma, cond) -> x0, with `initial`; its cond carries the prior's hint.
        prior: (cond, (height, width)) -> Predicted.
    """

    def __init__(self, denoise: nn.Module, prior: nn.Module) -> None:
        super().__init__()
        self.denoise = denoise
        self.prior = prior.requires_grad_(False)
        self._predicted: Once[tuple[Tensor, StageInput]] = Once()

    def forward(self, x: Tensor, sigma: Tensor, cond: StageInput) -> Tensor:
        """x (B, 3, H, W) and sigma (B,) -> x0 (B, 3, H, W), float32."""
        picture, hinted = self._given(cond, (x.shape[2], x.shape[3]))
        residual: Tensor = self.denoise(x.float() - picture, sigma, hinted)
        return picture + residual

    def prepared(self, cond: StageInput, size: tuple[int, int], sigma_max: float) -> StageInput:
        """The input with what the prior says of it, for pictures of size (H, W)."""
        picture, hinted = self._given(cond, size)
        return replace(hinted, prior=picture)

    def initial(self, noise: Tensor, sigma_max: float, cond: StageInput) -> Tensor:
        """Where sampling starts: the prior's prediction plus noise of std sigma_max."""
        picture, _ = self._given(cond, (noise.shape[2], noise.shape[3]))
        return picture + sigma_max * noise

    def _given(self, cond: StageInput, size: tuple[int, int]) -> tuple[Tensor, StageInput]:
        def predict() -> tuple[Tensor, StageInput]:
            with torch.no_grad():
                predicted: Predicted = self.prior(cond, size)
            return predicted.picture, replace(cond, hint=predicted.hint)

        if cond.prior is not None:
            return cond.prior, cond
        device = next(iter(cond.prompt.keep.values())).device
        return self._predicted(cond, (size, under_autocast(device)), predict)


def under_autocast(device: torch.device) -> bool:
    """Whether what is computed there now is rounded by autocast: what is kept goes by it."""
    kind = device.type
    return torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)
