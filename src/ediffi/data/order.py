"""In which order pictures are met that lie in units, such as shards."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def windowed(units: Sequence[NDArray[np.int64]], window: int, seed: int) -> NDArray[np.int64]:
    """All numbers of all units in a seeded order that asks for `window` units at a time: units are
    shuffled, and then the numbers of each `window` of them with each other.

    >>> windowed([np.arange(3), np.arange(3, 6), np.arange(6, 9)], window=1, seed=0)
    array([3, 5, 4, 8, 7, 6, 0, 1, 2])
    """
    rng = np.random.Generator(np.random.Philox(key=seed))
    order = rng.permutation(len(units)) if len(units) > window else np.arange(len(units))
    windows = [order[i : i + window] for i in range(0, len(units), window)]
    mixed = [rng.permutation(np.concatenate([units[n] for n in some])) for some in windows]
    return np.concatenate(mixed)
