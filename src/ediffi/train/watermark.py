"""Train the mark's two networks: any key's bits must be read after the worst of several changes.

    loss = worst over changes of BCE(bits)  +  visibility * mean(v * residual^2)

v is high where a picture is flat, since there the eye sees most (Watson 1993), and Y counts for
more than Cb and Cr. Worst of several changes and a mark that grows weaker while it is learned:
InvisMark (Xu et al. 2024). Changes are made by real encoders; the gradient passes them as if they
were not there (straight through).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
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
from ediffi.train.config import Compute, Optimiser, RunConfig, Schedule
from ediffi.train.loop import Tick, train
from ediffi.train.parallel import ALONE, Ranks
from ediffi.train.state import TrainState
from ediffi.trust.watermark.carriers import CELLS, FINE, PLANES, SIDE
from ediffi.trust.watermark.code import NUM_BITS
from ediffi.trust.watermark.network import MAX_LEVELS, Marker
from ediffi.trust.watermark.transformations import in_training

SHOWN = 512  # side at which pictures are changed
EYE = (4.0, 1.0, 1.0)  # how much is seen of Y, Cb and Cr
SMALLEST_WINDOW = 0.5  # of the canvas that is left after a crop


class WatermarkConfig(RunConfig):
    """num_pictures: different ones; num_changes: of which the worst counts; visibility: weight of
    what is seen; strength: of the finished mark, as a share of MAX_LEVELS, to which it falls
    between `fall[0]` and `fall[1]` images; width: of the networks."""

    schedule: Schedule = Schedule(
        num_images=12_000,
        batch_size=8,
        warmup_images=200,
        ema_images=None,
        log_images=200,
        checkpoint_images=800,
    )
    optimiser: Optimiser = Optimiser(learning_rate=2e-3)
    compute: Compute = Compute(precision="fp32")
    num_pictures: int = 800
    num_changes: int = 2
    visibility: float = 0.1
    strength: float = 0.35
    fall: tuple[int, int] = (800, 2_000)
    width: int = 32

    def strength_at(self, images: int) -> float:
        """That of the mark after so many images."""
        start, end = self.fall
        done = min(1.0, max(0.0, (images - start) / (end - start)))
        return 1 + done * (self.strength - 1)


Pixels = Callable[[int], "np.ndarray[Any, np.dtype[np.uint8]]"]


@dataclass(frozen=True)
class MarkBatch:
    """clean: (B, 3, 512, 512) in [-1, 1]; bits: (B, 128) of -1 and 1; bit, sign: see
    `_drawn_carriers`; start: images seen before."""

    clean: Tensor
    bits: Tensor
    bit: Tensor
    sign: Tensor
    start: int
    uniforms: None = None

    def __len__(self) -> int:
        return len(self.clean)

    def to(self, device: torch.device | str) -> MarkBatch:
        moved = {k: v.to(device) for k, v in vars(self).items() if isinstance(v, Tensor)}
        return replace(self, **moved)

    def split(self, parts: int) -> list[MarkBatch]:
        return [self]


class MarkBatches:
    """pixels: picture n as (512, 512, 3), a pure function of n."""

    def __init__(self, config: WatermarkConfig, pixels: Pixels) -> None:
        self.config, self._pixels = config, pixels
        self._drawn = dict[int, Tensor]()

    def batch(self, start: int, *, rank: int = 0, world: int = 1) -> MarkBatch:
        """Images start .. start + batch_size - 1 of the run, whole."""
        config, size = self.config, self.config.schedule.batch_size
        seed = stable_hash("mark", config.seed, start) % 2**63
        clean = torch.stack([self._picture(n) for n in range(start, start + size)])
        carriers = _drawn_carriers(size, torch.Generator().manual_seed(seed))
        return MarkBatch(clean, *carriers, start)

    def _picture(self, number: int) -> Tensor:
        n = stable_hash("picture", self.config.seed, number) % self.config.num_pictures
        if n not in self._drawn:
            self._drawn[n] = torch.from_numpy(np.array(self._pixels(n)))
        return from_uint8([self._drawn[n].numpy()])[0]


class Marking:
    """The loss above, and for the log its parts, the share of wrong bits and the PSNR."""

    def __init__(self, config: WatermarkConfig) -> None:
        self.config = config

    def __call__(self, model: Marker, batch: MarkBatch) -> dict[str, Tensor]:
        config, bits = self.config, batch.bits
        rng = Random(stable_hash("changes", config.seed, batch.start))
        chips = torch.gather(bits, 1, batch.bit.flatten(1)).view_as(batch.sign) * batch.sign
        small = F.interpolate(batch.clean, (SIDE, SIDE), mode="bilinear", antialias=True)
        cells = model.embedder(small, chips)
        marked = model.embedder.add(batch.clean, cells, config.strength_at(batch.start))
        losses, wrong = [], []
        for _ in range(config.num_changes):
            logits = _read(model, _changed(marked, rng), batch, rng)
            losses.append(F.softplus(-logits * bits).mean(1))
            wrong.append(((logits > 0) != (bits > 0)).float().mean())
        read, seen = torch.stack(losses).max(0).values.mean(), _seen(small, cells)
        error = (marked.detach() - batch.clean).square().mean()
        return {
            "loss": read + config.visibility * seen,
            "bits": read,
            "seen": seen,
            "wrong": torch.stack(wrong).max(),
            "psnr": 10 * torch.log10(4 / error),
        }


def watermark_state(config: WatermarkConfig, ranks: Ranks = ALONE) -> TrainState[WatermarkConfig]:
    """A marker at the start of its training; `train.loop.train` trains it with `MarkBatches`."""
    torch.manual_seed(config.seed)
    return TrainState(config, Marker(config.width), Marking(config), ranks)


def _read(model: Marker, picture: Tensor, batch: MarkBatch, rng: Random) -> Tensor:
    """Logits of what is left in a window of the picture that is not quite in its place."""
    small = F.interpolate(picture, (SIDE, SIDE), mode="bilinear", antialias=True)
    small = _displaced(small, rng)
    top, bottom, left, right = _window(rng)
    planes = model.extractor(small[:, :, top:bottom, left:right])
    step = SIDE // (CELLS * FINE)
    margins = (left, SIDE - right, top, SIDE - bottom)
    planes = F.pad(planes, tuple(margin // step for margin in margins))
    return model.logits(planes, batch.bit, batch.sign, NUM_BITS)


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
    """How much an eye would see of (B, 3, 64, 64) at full strength on (B, 3, 256, 256); about 1 on
    flat ground."""
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
) -> Iterator[Tick[WatermarkConfig]]:
    """See `train.loop.train`; pixels: see `MarkBatches`."""
    batches = MarkBatches(config, pixels)
    return train(watermark_state(config), run_dir, batches, report=report)
