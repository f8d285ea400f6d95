"""What training makes small: loss = objective(model, batch), one number per picture."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor, nn

from ediffi.diffusion import Predicted, edm_loss, noised
from ediffi.train.batch import Batch
from ediffi.train.config import Recipe


class Objective(Protocol):
    def __call__(self, model: nn.Module, batch: Batch) -> Tensor: ...


class Denoising:
    """lambda(sigma) |D(x + sigma n; sigma) - x|^2, mean over pixels (EDM, eDiff-I sec. 3): (B,),
    1.0 for a useless network. Squared, since Tweedie's formula needs the mean."""

    def __init__(self, sigma_data: float) -> None:
        self.sigma_data = sigma_data

    def __call__(self, model: nn.Module, batch: Batch) -> Tensor:
        x = noised(batch.clean, batch.noise, batch.sigma)
        denoised = model(x, batch.sigma, batch.cond)
        return edm_loss(denoised, batch.clean, batch.sigma, self.sigma_data)


class PriorError:
    """|prior - x| / sigma_data, mean over pixels: (B,). Absolute, since the median keeps an edge
    sharp where the mean of its likely places is a blur; diffusion draws what is left."""

    def __init__(self, sigma_data: float) -> None:
        self.sigma_data = sigma_data

    def __call__(self, model: nn.Module, batch: Batch) -> Tensor:
        predicted: Predicted = model(batch.cond, (batch.clean.shape[2], batch.clean.shape[3]))
        return (predicted.picture - batch.clean).abs().flatten(1).mean(1) / self.sigma_data


def objective_of(config: Recipe) -> Objective:
    kind = Denoising if config.part == "denoiser" else PriorError
    return kind(config.sigma_data)
