"""What a training step is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ediffi.core.types import StageInput


@dataclass(frozen=True)
class Batch:
    """clean: (B, 3, H, W) in [-1, 1]; noise: unit, like clean; sigma: (B,); uniforms: (B,), what
    sigma was drawn with."""

    clean: Tensor
    noise: Tensor
    sigma: Tensor
    uniforms: Tensor
    cond: StageInput

    def map(self, fn: Callable[[Tensor], Tensor]) -> Batch:
        """Apply `fn` to every tensor."""
        return Batch(
            fn(self.clean), fn(self.noise), fn(self.sigma), fn(self.uniforms), self.cond.map(fn)
        )

    def to(self, device: torch.device | str) -> Batch:
        return self.map(lambda t: t.to(device))
