"""A stage: a denoiser and the facts to sample it."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Self

import torch
from torch import Tensor

from ediffi.core.errors import UserError
from ediffi.core.types import ROLES, Denoiser, Progress, Prompt, StageInput
from ediffi.diffusion import (
    EDM,
    SAMPLERS,
    Around,
    Guided,
    Referenced,
    Router,
    Thresholded,
    drive,
    gaussian,
    karras_schedule,
    num_evaluations,
)
from ediffi.model.config import Sampling, StageConfig
from ediffi.model.tiles import Tiled


class Stage:
    """One diffusion model of the cascade, ready to draw."""

    def __init__(self, config: StageConfig, denoiser: EDM | Around | Router) -> None:
        self.config = config
        self.denoiser = denoiser.eval().requires_grad_(False)

    def to(self, device: torch.device | str) -> Self:
        """Draw there from now on."""
        self.denoiser.to(device)
        return self

    @property
    def device(self) -> torch.device:
        return next(self.denoiser.parameters()).device

    def sample(
        self,
        prompt: Prompt,
        seeds: Sequence[int],
        *,
        low_res: Tensor | None = None,
        sampling: Sampling | None = None,
        dtype: torch.dtype = torch.bfloat16,
    ) -> Generator[Progress, None, Tensor]:
        """Draw B pictures, telling of each evaluation; returns (B, 3, H, W) in [-1, 1] on the CPU.

        Args:
            prompt: of B pictures.
            seeds: one per picture. A picture depends on its own seed, not on its batch mates.
            low_res: (B, 3, h, w) in [-1, 1], clean, for an upscaler.
            sampling: instead of the stage's own.
            dtype: bfloat16 runs the network under autocast, float32 does not.
        """
        how, config = sampling or self.config.sampling, self.config
        prompt = self.heard(prompt, how)
        cond = self.condition(prompt, seeds, low_res, how.augmentation)
        side = config.resolution
        noise = gaussian(seeds, (3, side, side), stream=config.name)
        with inference(self.device, dtype):
            x = self.denoiser.initial(noise.to(self.device), how.sigma_max, cond)
        sigmas = karras_schedule(how.num_steps, how.sigma_min, how.sigma_max, how.rho)
        steps = drive(SAMPLERS[how.sampler](x, sigmas), self.denoise_with(how, dtype), cond)
        total = num_evaluations(how.sampler, how.num_steps)
        for step in range(1, total + 1):
            preview = next(steps).clamp(-1, 1).float().cpu()
            yield Progress(config.name, step, total, preview)
        images = _result(steps).float().cpu()
        if not images.isfinite().all():
            raise UserError(f"stage {config.name} drew no finite picture: lower the guidance")
        return images.clamp(-1, 1)

    def heard(self, prompt: Prompt, how: Sampling) -> Prompt:
        """The prompt less the roles that this stage was not trained with, or is not to follow."""
        roles = self.config.listens or ROLES
        return prompt.only([r for r in roles if r != "clip_image" or how.style_strength > 0])

    def condition(
        self, prompt: Prompt, seeds: Sequence[int], low_res: Tensor | None, augmentation: float
    ) -> StageInput:
        """The denoiser's input, the low-resolution picture noised here, once."""
        if (low_res is None) != (self.config.network.scale == 1):
            raise ValueError(f"stage {self.config.name}: an upscaler, and only it, needs low_res")
        if low_res is None:
            return StageInput(prompt).to(self.device)
        noise = gaussian(seeds, tuple(low_res.shape[1:]), stream=f"{self.config.name}-low-res")
        levels = torch.full((len(seeds),), augmentation)
        return StageInput(prompt, low_res + augmentation * noise, levels).to(self.device)

    def denoise_with(self, how: Sampling, dtype: torch.dtype) -> Denoiser:
        """The stage's denoiser in tiles, guided and thresholded as asked."""
        denoise: Denoiser = NoGrad(self.denoiser, dtype)
        network = self.config.network
        if how.tile is not None:
            if network.scale == 1:
                raise UserError(f"stage {self.config.name} looks at the picture whole: no tiles")
            tile = -(-how.tile // network.stride) * network.stride
            denoise = Tiled(denoise, tile=tile, halo=network.halo, stride=network.stride)
        denoise = Referenced(denoise, how.style_strength)
        interval = how.guidance_interval or (0.0, torch.inf)
        denoise = Guided(denoise, how.guidance_scale, interval=interval)
        return Thresholded(denoise, percentile=how.threshold_percentile, cap=how.threshold_cap)


class NoGrad:
    """A denoiser without gradients, under autocast unless dtype is float32. The contexts are
    entered per call, because a generator that held them would leak them to whoever drives it."""

    def __init__(self, denoise: Denoiser, dtype: torch.dtype) -> None:
        self.denoise = denoise
        self.dtype = dtype

    def __call__(self, x: Tensor, sigma: Tensor, cond: StageInput) -> Tensor:
        with inference(x.device, self.dtype):
            return self.denoise(x, sigma, cond)


@contextmanager
def inference(device: torch.device, dtype: torch.dtype) -> Iterator[None]:
    """No gradients, autocast unless dtype is float32."""
    with torch.no_grad(), torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
        yield


def _result(steps: Generator[Tensor, None, Tensor]) -> Tensor:
    try:
        next(steps)
    except StopIteration as done:
        result: Tensor = done.value
        return result
    raise AssertionError("the sampler asked for more evaluations than it announced")
