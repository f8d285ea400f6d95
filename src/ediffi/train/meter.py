"""How a run is doing: loss per sigma band, images per second, share of the machine's own rate."""

from __future__ import annotations

import time
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from ediffi.train.batch import Batch
from ediffi.train.state import TrainState

NUM_BANDS = 5


def machine_rate(device: torch.device | str = "cpu", seconds: float = 0.5) -> float:
    """bf16 FLOP per second of this device, the best of matrix products and convolutions."""
    how: dict[str, Any] = {"dtype": torch.bfloat16, "device": device}
    matrix = torch.randn(1024, 1024, **how)
    pictures = torch.randn(16, 256, 32, 32, **how).to(memory_format=torch.channels_last)
    kernel = torch.randn(256, 256, 3, 3, **how)
    rates = []
    for work, flops in (
        (lambda: matrix @ matrix, 2 * 1024**3),
        (lambda: F.conv2d(pictures, kernel, padding=1), 2 * 16 * 32**2 * 256**2 * 9),
    ):
        end = time.perf_counter() + seconds
        while (start := time.perf_counter()) < end:
            work()
            if torch.device(device).type == "cuda":
                torch.cuda.synchronize()
            rates.append(flops / (time.perf_counter() - start))
    return max(rates)


def forward_flops(state: TrainState, batch: Batch) -> float:
    """FLOPs of one picture's forward pass; a training step costs three times that."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        one = batch.map(lambda t: t[:1])
        state.objective(state.model, one.to(state.device))
    return float(counter.get_total_flops())


class Meter:
    """Sums since the last reading."""

    def __init__(self, flops_per_image: float, rate: float) -> None:
        self.flops_per_image, self.rate = flops_per_image, rate
        self._clear()

    def _clear(self) -> None:
        self.images, self.seconds = 0, 0.0
        self.losses = torch.zeros(NUM_BANDS, dtype=torch.float64)
        self.counts = torch.zeros(NUM_BANDS, dtype=torch.float64)

    def add(self, uniforms: Tensor, losses: Tensor, seconds: float) -> None:
        """Count a step: where the sigmas lay, (B,) in (0, 1), and the losses (B,)."""
        band = (uniforms * NUM_BANDS).long().clamp_max(NUM_BANDS - 1)
        self.losses.index_add_(0, band, losses.double().cpu())
        self.counts.index_add_(0, band, torch.ones_like(uniforms, dtype=torch.float64))
        self.images += len(uniforms)
        self.seconds += seconds

    def read(self) -> dict[str, Any]:
        """Averages since the last reading, for the log; bands from low sigma to high, None where
        no sigma fell."""
        per_second = self.images / max(self.seconds, 1e-9)
        bands = zip(self.losses.tolist(), self.counts.tolist(), strict=True)
        row: dict[str, Any] = {
            "loss": _mean(float(self.losses.sum()), float(self.counts.sum())),
            "loss_by_band": [_mean(loss, count) for loss, count in bands],
            "images_per_second": round(per_second, 2),
            "share_of_machine": round(3 * self.flops_per_image * per_second / self.rate, 3),
        }
        self._clear()
        return row


def _mean(total: float, count: float) -> float | None:
    return round(total / count, 5) if count else None
