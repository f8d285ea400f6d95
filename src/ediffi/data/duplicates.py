"""Pictures that look alike, found by their perceptual hashes (Zauner 2010, by `imagehash`)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ediffi.core.errors import UserError
from ediffi.data.filters import small

BITS = 4  # of 64 that the hashes of look-alikes may differ by
COLOUR = 4.0  # levels of 255 that their 8x8 versions may differ by, on average
BLOCK = 256  # pictures that are compared with all others at a time


@dataclass(frozen=True)
class Looks:
    """What pictures are compared by. hashes: (N,) uint64; colours: (N, 8, 8, 3)."""

    hashes: NDArray[np.uint64]
    colours: NDArray[np.uint8]

    def pairs(self) -> Iterator[tuple[int, int]]:
        """Every two pictures that look alike, the earlier one first. Each is compared with all
        before it, some 10^9 comparisons a second."""
        for start in range(0, len(self.hashes), BLOCK):
            rows = self.hashes[start : start + BLOCK, None]
            near = np.bitwise_count(rows ^ self.hashes[None, : start + BLOCK]) <= BITS
            for row, earlier in zip(*np.nonzero(near), strict=True):
                later = start + int(row)
                if earlier < later and self._alike_in_colour(int(earlier), later):
                    yield int(earlier), later

    def _alike_in_colour(self, a: int, b: int) -> bool:
        return float(np.abs(self.colours[a].astype(int) - self.colours[b]).mean()) <= COLOUR


def look(picture: Image.Image) -> tuple[int, NDArray[np.uint8]]:
    """The perceptual hash of a picture, 64 bits, and its 8x8 colours."""
    try:
        import imagehash
    except ImportError as error:
        raise UserError(f"audits need {error.name}: run: pip install 'ediffi[audit]'") from error
    bits = imagehash.phash(picture).hash
    return int(np.packbits(bits.ravel()).view(">u8")[0]), small(picture)
