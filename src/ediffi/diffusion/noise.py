"""Gaussian noise that belongs to a picture, not to a batch."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


def stable_hash(*parts: object) -> int:
    """128 bits that depend on the parts' text alone: the same in every process and version."""
    text = "|".join(str(part) for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest(), "little")


def gaussian(seeds: Sequence[int], shape: tuple[int, ...], stream: str = "") -> Tensor:
    """Unit noise (B, *shape), float32 on the CPU, sample b drawn from (seeds[b], stream) alone.

    So a picture does not change with its batch mates, their order or the number of processes.
    `stream` keeps the uses of one seed apart, e.g. the name of the stage. Philox rather than
    torch's generator, which keeps only 32 bits of a seed.

    >>> alone = gaussian([7], (3, 8, 8), "base")
    >>> bool((gaussian([5, 7], (3, 8, 8), "base")[1:] == alone).all())
    True
    """
    out = torch.empty(len(seeds), *shape)
    for sample, seed in zip(out, seeds, strict=True):
        generator = np.random.Generator(np.random.Philox(key=stable_hash(stream, int(seed))))
        sample.copy_(torch.from_numpy(generator.standard_normal(shape, dtype=np.float32)))
    return out
