"""Large pictures in overlapping tiles: the same numbers as the whole, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from ediffi.types import Denoiser, StageInput


class Tiled:
    """A denoiser that evaluates a convolutional one tile by tile.

    Each tile is widened by `halo`, at least the network's receptive-field radius, and only its
    core is kept; where the picture ends the tile ends too, so its padding is the picture's own.
    The result equals the whole but for rounding. Attention that looks across the picture, or a
    painted region's weight (its maximum is taken per tile), does not have that property.

    tile, halo: pixels, multiples of the network's stride; low_res is cropped alike.
    """

    def __init__(self, denoise: Denoiser, *, tile: int, halo: int, stride: int) -> None:
        if tile <= 0 or tile % stride or halo % stride:
            raise ValueError(f"tile {tile} and halo {halo} must be multiples of {stride}")
        self.denoise = denoise
        self.tile = tile
        self.halo = halo

    def __call__(self, x: Tensor, sigma: Tensor, cond: StageInput) -> Tensor:
        height, width = x.shape[2:]
        if max(height, width) <= self.tile:
            return self.denoise(x, sigma, cond)
        out = torch.empty_like(x)
        for top, bottom in self._spans(height):
            for left, right in self._spans(width):
                y0, y1 = max(top - self.halo, 0), min(bottom + self.halo, height)
                x0, x1 = max(left - self.halo, 0), min(right + self.halo, width)
                part = self.denoise(
                    x[:, :, y0:y1, x0:x1], sigma, _crop(cond, (height, width), (y0, y1, x0, x1))
                )
                core = part[:, :, top - y0 : bottom - y0, left - x0 : right - x0]
                out[:, :, top:bottom, left:right] = core
        return out

    def _spans(self, side: int) -> Iterator[tuple[int, int]]:
        for start in range(0, side, self.tile):
            yield start, min(start + self.tile, side)


def _crop(cond: StageInput, size: tuple[int, int], window: tuple[int, int, int, int]) -> StageInput:
    """The input of one tile. It shares the memo (text keys and values) unless regions differ."""
    y0, y1, x0, x1 = window
    prompt, low_res, memo = cond.prompt, cond.low_res, cond.memo
    if low_res is not None:
        scale = size[0] // low_res.shape[2]
        low_res = low_res[:, :, y0 // scale : y1 // scale, x0 // scale : x1 // scale]
    if prompt.regions is not None:
        masks = F.interpolate(prompt.regions.masks, size, mode="bilinear")
        regions = type(prompt.regions)(
            masks[:, :, y0:y1, x0:x1], prompt.regions.columns, prompt.regions.weight
        )
        prompt, memo = type(prompt)(prompt.tokens, prompt.keep, regions), {}
    return StageInput(prompt, low_res, cond.augmentation, memo)
