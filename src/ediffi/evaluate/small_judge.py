"""A small network of our own that reads 64 px pictures in a millisecond, for large N.

It is trained here, on real drawings only, and is never used in training, ranking or tuning a
generator. Its last hidden layer is an extractor like any other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ediffi.core.pixels import from_uint8
from ediffi.evaluate.real import draw, real_picture
from ediffi.pictogram.grid import Cell
from ediffi.pictogram.render import Renderer

WIDTHS, FEATURES = (64, 128, 256), 256
RENDERS = 6  # of every cell, each at its own place and on its own background
EPOCHS = 8
BATCH = 64
LEARNING_RATE = 3e-3
STRONGEST_BLUR, STRONGEST_NOISE = 1.0, 0.1  # px and std: outputs are neither sharp nor clean


class SmallNet(nn.Module):
    """(B, 3, 64, 64) in [-1, 1] -> (B, 256): pixels folded by four, then three scales."""

    def __init__(self) -> None:
        super().__init__()
        first, second, third = WIDTHS
        self.layers = nn.Sequential(
            nn.PixelUnshuffle(4),
            *_conv(48, first),
            *_conv(first, first),
            nn.MaxPool2d(2),
            *_conv(first, second),
            *_conv(second, second),
            nn.MaxPool2d(2),
            *_conv(second, third),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(third * 4, FEATURES),
            nn.LayerNorm(FEATURES),  # features of unit size, whatever the picture
        )

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.layers(images)
        return features


def _conv(before: int, after: int) -> list[nn.Module]:
    return [nn.Conv2d(before, after, 3, padding=1), nn.GroupNorm(8, after), nn.SiLU()]


class SmallJudge:
    """`SmallNet` as an extractor."""

    name, side, batch = "small-judge-64", 64, 64

    def __init__(self, net: SmallNet) -> None:
        self.net = net.eval().requires_grad_(False)
        digest = hashlib.sha256()
        for name, tensor in net.state_dict().items():
            digest.update(name.encode() + tensor.numpy().tobytes())
        self.hash = digest.hexdigest()

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        parts = []
        for part in images.split(self.batch):
            if part.shape[-1] != self.side:
                size = (self.side, self.side)
                part = F.interpolate(part, size, mode="bicubic", antialias=True).clamp(-1, 1)
            parts.append(self.net(part.float()))
        return torch.cat(parts)


def train_small_net(
    renderer: Renderer,
    cells: Sequence[Cell],
    report: Callable[[int, int], None] = lambda done, total: None,
    *,
    renders: int = RENDERS,
    epochs: int = EPOCHS,
) -> SmallNet:
    """Train on `renders` pictures of every cell to name its concept and its style.

    report: told (how many more batches are done, of how many). Deterministic: seed 0.
    """
    pictures: list[Tensor] = []
    for number in range(renders):
        rows = [real_picture(cell, size=64, seed=f"small-judge-{number}") for cell in cells]
        pictures.append(from_uint8(draw(renderer, rows)).half())
    images = torch.cat(pictures)
    concepts = _numbers([cell.hexcode for cell in cells]).repeat(renders)
    styles = _numbers([cell.style for cell in cells]).repeat(renders)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = SmallNet()
        heads = nn.ModuleList(nn.Linear(FEATURES, int(y.max()) + 1) for y in (concepts, styles))
    generator = torch.Generator().manual_seed(0)
    parameters = [*net.parameters(), *heads.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=LEARNING_RATE, weight_decay=0.05)
    steps = epochs * -(-len(images) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, total_steps=steps)
    for _ in range(epochs):
        for rows_ in torch.randperm(len(images), generator=generator).split(BATCH):
            with torch.autocast("cpu", torch.bfloat16):
                features = net(_worse(images[rows_].float(), generator))
            features = features.float()
            loss = F.cross_entropy(heads[0](features), concepts[rows_], label_smoothing=0.1)
            loss = loss + 0.3 * F.cross_entropy(heads[1](features), styles[rows_])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            report(1, steps)
    return net


def _worse(images: Tensor, generator: torch.Generator) -> Tensor:
    """Moved by up to 4 px; half of the batches are blurred, and noise of a random strength."""
    dx, dy, blur, noise = torch.rand(4, generator=generator).tolist()
    x, y = int(dx * 9), int(dy * 9)
    padded = F.pad(images, (4, 4, 4, 4), mode="replicate")
    images = padded[..., y : y + 64, x : x + 64]
    if blur > 0.5:
        taps = torch.tensor([blur * STRONGEST_BLUR / 4, 1.0, blur * STRONGEST_BLUR / 4])
        kernel = (taps[:, None] * taps / taps.sum() ** 2).expand(3, 1, 3, 3)
        images = F.conv2d(F.pad(images, (1, 1, 1, 1), mode="replicate"), kernel, groups=3)
    strength = noise**2 * STRONGEST_NOISE
    return images + strength * torch.randn(images.shape, generator=generator)


def _numbers(names: Sequence[str]) -> Tensor:
    place = {name: number for number, name in enumerate(sorted(set(names)))}
    return torch.tensor([place[name] for name in names])
