"""Train the mark's two networks: any key's bits must be read after the worst of several changes.

    loss = worst over changes of BCE(bits)  +  visibility * mean(v * residual^2)

v is high where a picture is flat, since there the eye sees most (Watson 1993), and Y counts for
more than Cb and Cr. Worst of several changes and a mark that grows weaker while it is learned:
InvisMark (Xu et al. 2024). Changes are made by real encoders; the gradient passes them as if they
were not there (straight through).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from ediffi.core.pixels import from_uint8, to_uint8
from ediffi.core.types import Pixels
from ediffi.diffusion import stable_hash
from ediffi.train.config import Compute, Optimiser, RunConfig, Schedule
from ediffi.train.state import TrainState
from ediffi.trust.watermark.carriers import CELLS, FINE, PLANES, SIDE
from ediffi.trust.watermark.code import NUM_BITS
from ediffi.trust.watermark.mark import Watermark
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
    fall: tuple[int, int] = (1_000, 3_000)
    width: int = 32

    def strength_at(self, images: int) -> float:
        """That of the mark after so many images."""
        start, end = self.fall
        done = min(1.0, max(0.0, (images - start) / (end - start)))
        return 1 + done * (self.strength - 1)


@dataclass(frozen=True)
class WatermarkBatch:
    """clean: (B, 3, 512, 512) in [-1, 1]; bits: (B, 128) of -1 and 1; bit, sign: (B, 3, 64, 64),
    each picture's own carriers, see `Carriers`; seeds: of what happens to each; strength: of the
    mark."""

    clean: Tensor
    bits: Tensor
    bit: Tensor
    sign: Tensor
    seeds: tuple[int, ...]
    strength: float
    uniforms: None = None

    def __len__(self) -> int:
        return len(self.seeds)

    def map(self, fn: Callable[[Tensor], Tensor]) -> WatermarkBatch:
        """Apply `fn` to every tensor."""
        return replace(
            self,
            clean=fn(self.clean),
            bits=fn(self.bits),
            bit=fn(self.bit),
            sign=fn(self.sign),
        )

    def to(self, device: torch.device | str) -> WatermarkBatch:
        return self.map(lambda t: t.to(device))

    def split(self, parts: int) -> list[WatermarkBatch]:
        """So many batches of equal size, one after the other."""
        size = len(self) // parts
        rows = [slice(n * size, (n + 1) * size) for n in range(parts)]
        return [
            replace(self.map(lambda t, some=some: t[some]), seeds=self.seeds[some])  # type: ignore[misc]
            for some in rows
        ]


class WatermarkBatches:
    """pixels: picture n as (512, 512, 3), a pure function of n; each is drawn once and kept."""

    def __init__(self, config: WatermarkConfig, pixels: Callable[[int], Pixels]) -> None:
        self.config, self._pixels, self._drawn = config, pixels, dict[int, Pixels]()

    def batch(self, start: int, *, rank: int = 0, world: int = 1) -> WatermarkBatch:
        """See `Batches`."""
        config = self.config
        numbers = range(start, start + config.schedule.batch_size)[rank::world]
        seeds = tuple(stable_hash("mark", config.seed, n) % 2**63 for n in numbers)
        shown = [stable_hash("picture", config.seed, n) % config.num_pictures for n in numbers]
        carried = [_carriers(torch.Generator().manual_seed(seed)) for seed in seeds]
        bits, bit, sign = (torch.stack(each) for each in zip(*carried, strict=True))
        clean = from_uint8([self._picture(n) for n in shown])
        return WatermarkBatch(clean, bits, bit, sign, seeds, config.strength_at(start))

    def _picture(self, n: int) -> Pixels:
        if n not in self._drawn:
            self._drawn[n] = np.array(self._pixels(n))
        return self._drawn[n]


class Marking:
    """How well bits are read, and how much of them an eye sees; `wrong`: share of wrong bits after
    the worst change, psnr: of the marked pictures."""

    def __init__(self, config: WatermarkConfig) -> None:
        self.config = config

    def __call__(self, model: nn.Module, batch: WatermarkBatch) -> dict[str, Tensor]:
        assert isinstance(model, Marker)
        chips = torch.gather(batch.bits, 1, batch.bit.flatten(1)).view_as(batch.sign) * batch.sign
        small = F.interpolate(batch.clean, (SIDE, SIDE), mode="bilinear", antialias=True)
        cells = model.embedder(small, chips)
        marked = model.embedder.add(batch.clean, cells, batch.strength)
        rngs = [Random(seed) for seed in batch.seeds]
        losses, wrong = [], []
        for _ in range(self.config.num_changes):
            logits = _read(model, _changed(marked, rngs), batch, rngs[0])
            losses.append(F.softplus(-logits * batch.bits).mean(1))
            wrong.append(((logits > 0) != (batch.bits > 0)).float().mean(1))
        read, seen = torch.stack(losses).amax(0), _seen(small, cells)
        error = (marked.detach() - batch.clean).square().mean((1, 2, 3))
        return {
            "loss": read + self.config.visibility * seen,
            "read": read,
            "seen": seen,
            "wrong": torch.stack(wrong).amax(0),
            "psnr": 10 * torch.log10(4 / error),
        }


def watermark_state(config: WatermarkConfig) -> TrainState[WatermarkConfig]:
    """A marker at the start of its training."""
    torch.manual_seed(config.seed)
    return TrainState(config, Marker(config.width), Marking(config))


def save_watermark(state: TrainState[WatermarkConfig], path: Path) -> None:
    """Raises UserError: it cannot be written."""
    assert isinstance(state.model, Marker)
    Watermark(state.model, state.config.strength).save(path, width=state.config.width)


def _carriers(generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Bits (128,) and a key's carriers (3, 64, 64), all random."""
    count, shape = PLANES * CELLS * CELLS, (PLANES, CELLS, CELLS)
    bits = torch.randint(0, 2, (NUM_BITS,), generator=generator) * 2.0 - 1
    bit = (torch.randperm(count, generator=generator) % NUM_BITS).view(shape)
    return bits, bit, torch.randint(0, 2, shape, generator=generator) * 2.0 - 1


def _read(model: Marker, picture: Tensor, batch: WatermarkBatch, rng: Random) -> Tensor:
    """Logits (B, 128) of what is left in a window of pictures that are not quite in their place."""
    small = F.interpolate(picture, (SIDE, SIDE), mode="bilinear", antialias=True)
    small = _displaced(small, rng)
    top, bottom, left, right = _window(rng)
    planes = model.extractor(small[:, :, top:bottom, left:right])
    step = SIDE // (CELLS * FINE)
    margins = (left, SIDE - right, top, SIDE - bottom)
    planes = F.pad(planes, tuple(margin // step for margin in margins))
    return model.logits(planes, batch.bit, batch.sign, NUM_BITS)


def _changed(marked: Tensor, rngs: list[Random]) -> Tensor:
    """As 8 bits and after a change of each picture; gradients pass straight through."""
    pictures = [Image.fromarray(p) for p in to_uint8(marked.detach())]
    changed = (in_training(p, rng) for p, rng in zip(pictures, rngs, strict=True))
    after = from_uint8([np.asarray(picture) for picture in changed]).to(marked.device)
    return marked + (after - marked.detach())


def _displaced(picture: Tensor, rng: Random) -> Tensor:
    """Moved and scaled by up to a pixel, as alignment leaves it."""
    grow, x, y = rng.uniform(-0.008, 0.008), rng.uniform(-1, 1), rng.uniform(-1, 1)
    theta = picture.new_tensor([[1 + grow, 0, 2 * x / SIDE], [0, 1 + grow, 2 * y / SIDE]])
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
    """How much an eye would see of (B, 3, 64, 64) at full strength on (B, 3, 256, 256): (B,), about
    1 on flat ground."""
    gray = picture.mean(1, keepdim=True)
    mean, square = F.avg_pool2d(gray, 4), F.avg_pool2d(gray.square(), 4)
    around = F.max_pool2d((square - mean.square()).clamp_min(0).sqrt(), 3, 1, 1)
    flat = 1 / (1 + (around * 127.5 / 8).square())  # 1 on flat ground, 1/2 where levels vary by 8
    weight = (0.1 + 0.9 * flat) * cells.new_tensor(EYE)[:, None, None]
    levels = float(np.mean(np.square(MAX_LEVELS)))
    return (weight * (cells * 127.5).square()).mean((1, 2, 3)) / levels
