"""What a run waits for: computations that whoever drives it may do together with other runs'."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor

from ediffi.core.types import Denoiser, StageInput
from ediffi.model.config import Sampling

if TYPE_CHECKING:
    from ediffi.model.stage import Stage

E = TypeVar("E")
R = TypeVar("R")


@dataclass(frozen=True, eq=False)
class Prepare:
    """The input of a sampling, please, with what its denoiser computes of it once: see
    `Around.prepared`. Answered by a `StageInput`."""

    stage: Stage
    cond: StageInput
    how: Sampling
    dtype: torch.dtype

    def answer(self) -> StageInput:
        """Computed alone."""
        side = self.stage.config.resolution
        with inference(self.stage.device, self.dtype):
            return self.stage.denoiser.prepared(self.cond, (side, side), self.how.sigma_max)


@dataclass(frozen=True, eq=False)
class Denoise:
    """x0, please, of x (B, 3, H, W) at a noise level. Answered by a tensor (B, 3, H, W).

    denoise: answers alone, guided and in tiles as `how` says. Those of one sampling share it, and
    `cond`.
    """

    stage: Stage
    cond: StageInput
    how: Sampling
    dtype: torch.dtype
    x: Tensor
    sigma: float
    denoise: Denoiser

    def answer(self) -> Tensor:
        """Computed alone."""
        sigma = torch.full((len(self.x),), self.sigma, device=self.x.device)
        return self.denoise(self.x, sigma, self.cond)


Ask = Prepare | Denoise
Asking = Generator[Ask | E, Any, R]
"""A generator that is sent the answer to every `Ask` it yields, and tells events in between."""


def answered(asking: Asking[E, R]) -> Generator[E, None, R]:
    """Its events and result, every ask answered alone and at once."""
    answer: Tensor | StageInput | None = None
    while True:
        try:
            event = asking.send(answer)
        except StopIteration as done:
            result: R = done.value
            return result
        if isinstance(event, Prepare | Denoise):
            answer = event.answer()
        else:
            answer = None
            yield event


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
