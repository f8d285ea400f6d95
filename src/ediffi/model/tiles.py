"""Large pictures in overlapping tiles: the same numbers as the whole, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from ediffi.core.once import Once
from ediffi.core.types import Denoiser, StageInput, Window


class Tiled:
    """A denoiser that evaluates a convolutional one tile by tile.

    Each tile is widened by `halo`, at least the network's receptive-field radius, and only its
    core is kept; where the picture ends the tile ends too, so its padding is the picture's own.
    The result equals the whole but for rounding, painted regions included. Attention that looks
    across the picture does not have that property.

    tile, halo: pixels, multiples of the network's stride; low_res is cropped alike.
    """

    def __init__(self, denoise: Denoiser, *, tile: int, halo: int, stride: int) -> None:
        if tile <= 0 or tile % stride or halo % stride:
            raise ValueError(f"tile {tile} and halo {halo} must be multiples of {stride}")
        self.denoise = denoise
        self.tile = tile
        self.halo = halo
        self._inputs: Once[StageInput] = Once()

    def __call__(self, x: Tensor, sigma: Tensor, cond: StageInput) -> Tensor:
        height, width = x.shape[2:]
        if max(height, width) <= self.tile:
            return self.denoise(x, sigma, cond)
        out = torch.empty_like(x)
        for top, bottom in self._spans(height):
            for left, right in self._spans(width):
                y0, y1 = max(top - self.halo, 0), min(bottom + self.halo, height)
                x0, x1 = max(left - self.halo, 0), min(right + self.halo, width)
                window = Window(y0, y1, x0, x1, height, width)
                own = self._inputs(cond, window, lambda w=window: cond.crop(w))  # type: ignore[misc]
                part = self.denoise(x[:, :, y0:y1, x0:x1], sigma, own)
                core = part[:, :, top - y0 : bottom - y0, left - x0 : right - x0]
                out[:, :, top:bottom, left:right] = core
        return out

    def _spans(self, side: int) -> Iterator[tuple[int, int]]:
        for start in range(0, side, self.tile):
            yield start, min(start + self.tile, side)
