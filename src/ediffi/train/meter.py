"""How a run is doing: losses, by sigma band too, images per second, share of the machine's rate."""

from __future__ import annotations

import time
from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from ediffi.train.objective import AnyBatch
from ediffi.train.parallel import Ranks
from ediffi.train.state import TrainState

NUM_BANDS = 5


@lru_cache
def machine_rate(device: torch.device | str = "cpu", seconds: float = 0.5) -> float:
    """bf16 FLOP per second of this device, the best of matrix products and convolutions; measured
    once in a process."""
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


@torch.no_grad()
def forward_flops(state: TrainState[Any], batch: AnyBatch) -> float:
    """FLOPs of one picture's forward pass; a training step costs three times that."""
    with FlopCounterMode(display=False) as counter, torch.compiler.set_stance("force_eager"):
        state.measure(batch.to(state.ranks.device))
    return counter.get_total_flops() / len(batch)


class Meter:
    """Sums since the last reading, of this rank; read together with all others.

    flops_per_image: of a forward pass; rate: of each rank's device, FLOP per second.
    """

    def __init__(self, flops_per_image: float, rate: float, ranks: Ranks) -> None:
        self.flops_per_image, self.rate, self.ranks = flops_per_image, rate, ranks
        self._clear()

    def _clear(self) -> None:
        self.images, self.seconds = 0, 0.0
        self.sums: dict[str, float] = {}
        self.bands = torch.zeros(2, NUM_BANDS, dtype=torch.float64)  # losses, and how many

    def add(self, batch: AnyBatch, figures: dict[str, Tensor], seconds: float) -> None:
        """Count a step: what its objective said of this rank's share of the batch."""
        self.images += len(batch)
        self.seconds += seconds
        for name, figure in figures.items():
            self.sums[name] = self.sums.get(name, 0.0) + float(figure.double().mean()) * len(batch)
        if batch.uniforms is not None:  # else there are no bands
            band = (batch.uniforms * NUM_BANDS).long().clamp_max(NUM_BANDS - 1)
            losses = figures["loss"].double().cpu()
            self.bands.index_add_(1, band, torch.stack([losses, torch.ones_like(losses)]))

    def read(self) -> dict[str, Any]:
        """Averages since the last reading, for the log; bands from low sigma to high, None where
        no sigma fell."""
        sums = self.ranks.total(torch.tensor([self.images, *self.sums.values()]).double())
        losses, counts = self.ranks.total(self.bands).tolist()
        images = float(sums[0])
        row: dict[str, Any] = {
            name: round(total / images, 5)
            for name, total in zip(self.sums, sums[1:].tolist(), strict=True)
        }
        if any(counts):
            pairs = zip(losses, counts, strict=True)
            row["loss_by_band"] = [round(s / n, 5) if n else None for s, n in pairs]
        per_second = images / max(self.seconds, 1e-9)
        machine = self.rate * self.ranks.world
        row["images_per_second"] = round(per_second, 2)
        row["share_of_machine"] = round(3 * self.flops_per_image * per_second / machine, 3)
        self._clear()
        return row
