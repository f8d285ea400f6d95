"""How bits are spread over a picture: which cell carries which bit, with which sign, by a key.

A picture of any size is a canvas of CELLS x CELLS cells in three planes (Y, Cb, Cr). Each cell
carries one bit with one sign (direct-sequence spread spectrum, Cox et al. 1997), 96 cells a bit.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from ediffi.trust.watermark.code import NUM_BITS

CELLS, PLANES = 64, 3
SIDE = 256  # of the canvas that the networks see, pixels
FINE = 2  # extractor's outputs a cell and axis


class Carriers:
    """Those of one key. bit: (3, 64, 64) int64, which bit a cell carries; sign: +1 or -1."""

    def __init__(self, key: bytes) -> None:
        seed = int.from_bytes(hashlib.sha256(b"carriers" + key).digest()[:16], "big")
        rng = np.random.Generator(np.random.PCG64(seed))
        count = PLANES * CELLS * CELLS
        bit = rng.permutation(np.arange(count) % NUM_BITS)
        sign = rng.integers(0, 2, count) * 2 - 1
        shape = (PLANES, CELLS, CELLS)
        self.bit = torch.from_numpy(bit.reshape(shape))
        self.sign = torch.from_numpy(sign.reshape(shape)).float()

    def spread(self, bits: Tensor) -> Tensor:
        """(128,) of -1 and 1 -> chips (3, 64, 64)."""
        return bits.float()[self.bit] * self.sign

    def despread(self, planes: Tensor) -> Tensor:
        """(..., 3, 64, 64) -> (..., 128): the sum over each bit's cells, over its standard
        deviation for cells of unit variance."""
        flat = (planes * self.sign).flatten(-3)
        out = flat.new_zeros(*flat.shape[:-1], NUM_BITS)
        out = out.index_add(-1, self.bit.flatten(), flat)
        return out / (PLANES * CELLS * CELLS / NUM_BITS) ** 0.5

    def spectra(self) -> Tensor:
        """(128, 3, 128, 65) complex: conjugate spectra of each bit's template on the fine canvas,
        whose extent is that of the canvas itself, so that shifts are circular."""
        templates = torch.zeros(NUM_BITS, PLANES, CELLS, CELLS)
        templates.scatter_(0, self.bit[None], self.sign[None])
        fine = templates.repeat_interleave(FINE, 2).repeat_interleave(FINE, 3)
        return torch.fft.rfft2(fine).conj()


@lru_cache(4)
def carriers(key: bytes) -> Carriers:
    return Carriers(key)
