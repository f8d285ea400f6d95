"""What a run waits for: one denoising, that whoever drives the run may compute with others'."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from ediffi.core.types import Denoiser, StageInput
from ediffi.model.config import Sampling

E = TypeVar("E")
R = TypeVar("R")


@dataclass(frozen=True, eq=False)
class Ask:
    """x0, please, of x (B, 3, H, W) at a noise level.

    stage: its name; denoise: answers this ask alone, guided and in tiles as `how` says; how, dtype:
    for whoever answers several at once. Asks of one sampling share `cond` and `denoise`.
    """

    stage: str
    x: Tensor
    sigma: float
    cond: StageInput
    denoise: Denoiser
    how: Sampling
    dtype: torch.dtype

    def answer(self) -> Tensor:
        """x0, computed alone."""
        sigma = torch.full((len(self.x),), self.sigma, device=self.x.device)
        return self.denoise(self.x, sigma, self.cond)


Asking = Generator[Ask | E, Tensor | None, R]
"""A generator that is sent the x0 of every `Ask` it yields, and tells events in between."""


def answered(asking: Asking[E, R]) -> Generator[E, None, R]:
    """Its events and result, every ask answered alone and at once."""
    answer = None
    while True:
        try:
            event = asking.send(answer)
        except StopIteration as done:
            result: R = done.value
            return result
        if isinstance(event, Ask):
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
