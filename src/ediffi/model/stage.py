"""A stage: a denoiser and the facts to sample it."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from itertools import count
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
    gaussian,
    karras_schedule,
    num_evaluations,
)
from ediffi.model.asks import Asking, Denoise, NoGrad, Prepare, answered, inference
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
        asking = self.asking(
            prompt, seeds, low_res=low_res, how=sampling or self.config.sampling, dtype=dtype
        )
        return (yield from answered(asking))

    def asking(
        self,
        prompt: Prompt,
        seeds: Sequence[int],
        *,
        low_res: Tensor | None,
        how: Sampling,
        dtype: torch.dtype,
    ) -> Asking[Progress, Tensor]:
        """`sample`, what the networks are to compute asked for instead."""
        config, side = self.config, self.config.resolution
        cond: StageInput = yield Prepare(
            self,
            self.condition(self.heard(prompt, how), seeds, low_res, how.augmentation),
            how,
            dtype,
        )
        noise = gaussian(seeds, (3, side, side), stream=config.name).to(self.device)
        with inference(self.device, dtype):
            x = self.denoiser.initial(noise, how.sigma_max, cond)
        sigmas = karras_schedule(how.num_steps, how.sigma_min, how.sigma_max, how.rho)
        sampler, denoise = SAMPLERS[how.sampler](x, sigmas), self.denoise_with(how, dtype)
        total = num_evaluations(how.sampler, how.num_steps)
        x, sigma = next(sampler)
        for step in count(1):
            x0: Tensor = yield Denoise(self, cond, how, dtype, x, sigma, denoise)
            preview = x0.clamp(-1, 1).float().cpu()
            yield Progress(config.name, step, total, preview, self.expert(sigma))
            try:
                x, sigma = sampler.send(x0)
            except StopIteration as done:
                images: Tensor = done.value.float().cpu()
                break
        if not images.isfinite().all():
            raise UserError(f"stage {config.name} drew no finite picture: lower the guidance")
        return images.clamp(-1, 1)

    def expert(self, sigma: float) -> str | None:
        """Which of its experts answers at a noise level, as text; None where it has none."""
        return str(self.denoiser.active(sigma)) if isinstance(self.denoiser, Router) else None

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

    def denoise_with(
        self, how: Sampling, dtype: torch.dtype, *, guidance_scale: Tensor | None = None
    ) -> Denoiser:
        """The stage's denoiser in tiles, guided and thresholded as asked.

        guidance_scale: (B,), of each picture of a batch, instead of `how`'s.
        """
        denoise: Denoiser = NoGrad(self.denoiser, dtype)
        network = self.config.network
        if how.tile is not None:
            if network.scale == 1:
                raise UserError(f"stage {self.config.name} looks at the picture whole: no tiles")
            tile = -(-how.tile // network.stride) * network.stride
            denoise = Tiled(denoise, tile=tile, halo=network.halo, stride=network.stride)
        denoise = Referenced(denoise, how.style_strength)
        interval = how.guidance_interval or (0.0, torch.inf)
        scale = how.guidance_scale if guidance_scale is None else guidance_scale
        denoise = Guided(denoise, scale, interval=interval)
        return Thresholded(denoise, percentile=how.threshold_percentile, cap=how.threshold_cap)
