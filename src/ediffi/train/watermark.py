"""Train the mark's two networks: any key's bits must be read after the worst of several changes.

    loss = worst over changes of BCE(bits)  +  visibility * mean(v * residual^2)

v is high where a picture is flat, since there the eye sees most (Watson 1993), and Y counts for
more than Cb and Cr. Worst of several changes: InvisMark (Xu et al. 2024). Changes are made by real
encoders; the gradient passes them as if they were not there (straight through).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from ediffi.core.pixels import from_uint8, to_uint8
from ediffi.diffusion import stable_hash
from ediffi.train.run import Learner, Tick, resume, steps
from ediffi.train.schedule import Optimiser, RunConfig, Schedule
from ediffi.trust.watermark.carriers import CELLS, FINE, PLANES, SIDE
from ediffi.trust.watermark.code import NUM_BITS
from ediffi.trust.watermark.network import MAX_LEVELS, Marker
from ediffi.trust.watermark.transformations import in_training

SHOWN = 512  # side at which pictures are changed
EYE = (4.0, 1.0, 1.0)  # how much is seen of Y, Cb and Cr
SMALLEST_WINDOW = 0.5  # of the canvas that is left after a crop


class WatermarkConfig(RunConfig):
    """num_pictures: different ones; num_changes: of which the worst counts; visibility: weight of
    what is seen, reached after `rise` images; width: of the networks."""

    schedule: Schedule = Schedule(
        num_images=12_000,
        batch_size=8,
        warmup_images=200,
        log_images=200,
        checkpoint_images=800,
    )
    optimiser: Optimiser = Optimiser(learning_rate=2e-3)
    num_pictures: int = 800
    num_changes: int = 2
    visibility: float = 0.3
    rise: int = 3_000
    width: int = 32


Pixels = Callable[[int], "np.ndarray[Any, np.dtype[np.uint8]]"]


class WatermarkState(Learner):
    """A marker in training. pixels: picture n as (512, 512, 3), a pure function of n."""

    config: WatermarkConfig

    def __init__(self, config: WatermarkConfig, pixels: Pixels) -> None:
        self.config, self.images = config, 0
        self._pixels, self._drawn = pixels, dict[int, Tensor]()
        torch.manual_seed(config.seed)
        self.model = Marker(config.width)
        self.parameters = dict(self.model.named_parameters())
        how = config.optimiser
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(),
            lr=how.learning_rate,
            betas=how.betas,
            weight_decay=how.weight_decay,
        )

    def step(self) -> dict[str, float]:
        """One update; returns the parts of the loss, the share of wrong bits and the PSNR."""
        config, size = self.config, self.config.schedule.batch_size
        numbers = range(self.images, self.images + size)
        generator = torch.Generator().manual_seed(
            stable_hash("mark", config.seed, self.images) % 2**63
        )
        rng = Random(stable_hash("changes", config.seed, self.images))
        clean = torch.stack([self._picture(n) for n in numbers])
        bits, bit, sign = _drawn_carriers(size, generator)
        chips = torch.gather(bits, 1, bit.flatten(1)).view_as(sign) * sign
        small = F.interpolate(clean, (SIDE, SIDE), mode="bilinear", antialias=True)
        cells = self.model.embedder(small, chips)
        marked = self.model.embedder.add(clean, cells)
        losses, wrong = [], []
        for _ in range(config.num_changes):
            logits = self._read(_changed(marked, rng), bit, sign, rng)
            losses.append(F.softplus(-logits * bits).mean(1))
            wrong.append(((logits > 0) != (bits > 0)).float().mean())
        read = torch.stack(losses).max(0).values.mean()
        seen = _seen(small, cells)
        weight = config.visibility * min(1.0, self.images / max(1, config.rise))
        self.descend(read + weight * seen, size)
        error = (marked.detach() - clean).square().mean()
        return {
            "bits": float(read.detach()),
            "seen": float(seen.detach()),
            "wrong": float(torch.stack(wrong).max()),
            "psnr": float(10 * torch.log10(4 / error)),
        }

    def _picture(self, number: int) -> Tensor:
        n = stable_hash("picture", self.config.seed, number) % self.config.num_pictures
        if n not in self._drawn:
            self._drawn[n] = torch.from_numpy(np.array(self._pixels(n)))
        return from_uint8([self._drawn[n].numpy()])[0]

    def _read(self, picture: Tensor, bit: Tensor, sign: Tensor, rng: Random) -> Tensor:
        """Logits of what is left in a window of the picture that is not quite in its place."""
        small = F.interpolate(picture, (SIDE, SIDE), mode="bilinear", antialias=True)
        small = _displaced(small, rng)
        top, bottom, left, right = _window(rng)
        planes = self.model.extractor(small[:, :, top:bottom, left:right])
        step = SIDE // (CELLS * FINE)
        margins = (left, SIDE - right, top, SIDE - bottom)
        planes = F.pad(planes, tuple(margin // step for margin in margins))
        return self.model.logits(planes, bit, sign, NUM_BITS)


def _drawn_carriers(batch: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Bits (B, 128) of -1 and 1, and a key's carriers for each picture (B, 3, 64, 64)."""
    count, shape = PLANES * CELLS * CELLS, (batch, PLANES, CELLS, CELLS)
    bits = torch.randint(0, 2, (batch, NUM_BITS), generator=generator) * 2.0 - 1
    orders = [torch.randperm(count, generator=generator) % NUM_BITS for _ in range(batch)]
    sign = torch.randint(0, 2, shape, generator=generator) * 2.0 - 1
    return bits, torch.stack(orders).view(shape), sign


def _changed(marked: Tensor, rng: Random) -> Tensor:
    """As 8 bits and after a change of each picture; gradients pass straight through."""
    pictures = [Image.fromarray(p) for p in to_uint8(marked.detach())]
    after = from_uint8([np.asarray(in_training(p, rng)) for p in pictures])
    return marked + (after - marked.detach())


def _displaced(picture: Tensor, rng: Random) -> Tensor:
    """Moved and scaled by up to a pixel, as alignment leaves it."""
    grow, x, y = rng.uniform(-0.008, 0.008), rng.uniform(-1, 1), rng.uniform(-1, 1)
    theta = torch.tensor([[1 + grow, 0, 2 * x / SIDE], [0, 1 + grow, 2 * y / SIDE]])
    grid = F.affine_grid(theta.expand(len(picture), 2, 3), list(picture.shape), align_corners=False)
    return F.grid_sample(picture, grid, padding_mode="border", align_corners=False)


def _window(rng: Random) -> tuple[int, int, int, int]:
    """Top, bottom, left, right of what a crop leaves, in even pixels; half the time everything."""
    if rng.random() < 0.5:
        return 0, SIDE, 0, SIDE
    side = 2 * rng.randint(int(SIDE * SMALLEST_WINDOW) // 2, SIDE // 2)
    top, left = (2 * rng.randint(0, (SIDE - side) // 2) for _ in range(2))
    return top, top + side, left, left + side


def _seen(picture: Tensor, cells: Tensor) -> Tensor:
    """How much of the mark an eye sees, in squared levels: (B, 3, 256, 256), (B, 3, 64, 64)."""
    mean = F.avg_pool2d(picture.mean(1, keepdim=True), 4)
    square = F.avg_pool2d(picture.mean(1, keepdim=True).square(), 4)
    around = F.max_pool2d((square - mean.square()).clamp_min(0).sqrt(), 3, 1, 1)
    flat = 1 / (1 + (around * 127.5 / 8).square())  # 1 on flat ground, 1/2 where levels vary by 8
    weight = (0.1 + 0.9 * flat) * cells.new_tensor(EYE)[:, None, None]
    return (weight * (cells * 127.5).square()).mean() / np.mean(np.square(MAX_LEVELS))


def train_watermark(
    config: WatermarkConfig,
    run_dir: Path,
    pixels: Pixels,
    *,
    report: Callable[[str], None] = print,
) -> Iterator[Tick[WatermarkState]]:
    """Train in `run_dir`, from its last checkpoint if there is one; writes a log.

    Raises:
        UserError: another config in this folder, no space, a loss that is not finite.
    """
    state = WatermarkState(config, pixels)
    resume(state, run_dir, report)
    count = sum(p.numel() for p in state.parameters.values())
    report(f"{count / 1e3:.0f} k parameters learn")
    rows: list[dict[str, float]] = []

    def step() -> None:
        rows.append(state.step())

    def read(before: int) -> dict[str, Any]:
        out = {n: round(sum(row[n] for row in rows) / len(rows), 4) for n in rows[0]}
        rows.clear()
        return out

    yield from steps(state, run_dir, step, read, report=report)
