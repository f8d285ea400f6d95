"""CIE Lab (D65), in which distances are the CIE 1976 Delta E: about 2 is just noticeable, 100 is
black to white."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750],
     [0.0193339, 0.1191920, 0.9503041]]
)  # fmt: skip
_WHITE = _TO_XYZ.sum(1)


def to_lab(rgb: NDArray[np.uint8] | Iterable[int]) -> Floats:
    """sRGB in [0, 255], (..., 3) -> CIE Lab, (..., 3)."""
    unit = np.asarray(rgb, np.float64) / 255
    linear = np.where(unit <= 0.04045, unit / 12.92, ((unit + 0.055) / 1.055) ** 2.4)
    xyz = linear @ _TO_XYZ.T / _WHITE
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = np.moveaxis(f, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], -1)


def distance(a: Floats, b: Floats) -> Floats:
    """Delta E over the last axis."""
    return np.linalg.norm(a - b, axis=-1)
