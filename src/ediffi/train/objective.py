"""What a training step is given and what it makes small."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, Self

import torch
from torch import Tensor, nn

from ediffi.core.types import StageInput
from ediffi.diffusion import Predicted, edm_loss, noised
from ediffi.train.config import Recipe


class AnyBatch(Protocol):
    """What the loop asks of a batch. uniforms: (B,) in (0, 1), what noise levels were drawn with,
    None where there are none."""

    @property
    def uniforms(self) -> Tensor | None: ...
    def __len__(self) -> int: ...
    def to(self, device: torch.device | str) -> Self: ...
    def split(self, parts: int) -> list[Self]: ...


class Objective(Protocol):
    def __call__(self, model: Any, batch: Any) -> dict[str, Tensor]:
        """`loss`, whose mean is made small, and figures for the log; each (B,) or ()."""


@dataclass(frozen=True)
class Batch:
    """clean: (B, 3, H, W) in [-1, 1]; noise: unit, like clean; sigma: (B,); uniforms: (B,), what
    sigma was drawn with."""

    clean: Tensor
    noise: Tensor
    sigma: Tensor
    uniforms: Tensor
    cond: StageInput

    def __len__(self) -> int:
        return len(self.clean)

    def map(self, fn: Callable[[Tensor], Tensor]) -> Batch:
        """Apply `fn` to every tensor."""
        return Batch(
            fn(self.clean), fn(self.noise), fn(self.sigma), fn(self.uniforms), self.cond.map(fn)
        )

    def to(self, device: torch.device | str) -> Batch:
        return self.map(lambda t: t.to(device))

    def split(self, parts: int) -> list[Batch]:
        """So many batches of equal size, one after the other."""
        size = len(self) // parts
        rows = [slice(n * size, (n + 1) * size) for n in range(parts)]
        return [self.map(lambda t, some=some: t[some]) for some in rows]  # type: ignore[misc]


class Denoising:
    """lambda(sigma) |D(x + sigma n; sigma) - x|^2, mean over pixels (EDM, eDiff-I sec. 3): (B,),
    1.0 for a useless network. Squared, since Tweedie's formula needs the mean."""

    def __init__(self, sigma_data: float) -> None:
        self.sigma_data = sigma_data

    def __call__(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        x = noised(batch.clean, batch.noise, batch.sigma)
        denoised = model(x, batch.sigma, batch.cond)
        return {"loss": edm_loss(denoised, batch.clean, batch.sigma, self.sigma_data)}


class PriorError:
    """|prior - x| / sigma_data, mean over pixels: (B,). Absolute, since the median keeps an edge
    sharp where the mean of its likely places is a blur; diffusion draws what is left."""

    def __init__(self, sigma_data: float) -> None:
        self.sigma_data = sigma_data

    def __call__(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        predicted: Predicted = model(batch.cond, (batch.clean.shape[2], batch.clean.shape[3]))
        error = (predicted.picture - batch.clean).abs().flatten(1).mean(1)
        return {"loss": error / self.sigma_data}


def objective_of(config: Recipe) -> Objective:
    kind = Denoising if config.part == "denoiser" else PriorError
    return kind(config.sigma_data)
