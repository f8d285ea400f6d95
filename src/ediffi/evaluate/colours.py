"""Are colours obeyed? The background's name, and the thing's dominant colour.

Distances are CIE 1976 Delta E in Lab (D65): about 2 is just noticeable, 100 is black to white.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from ediffi.pictogram.palette import BACKGROUNDS

Floats = NDArray[np.float64]
Picture = NDArray[np.uint8]
"""(H, W, 3), RGB."""

BACKGROUND_RADIUS = 20.0  # pixels nearer than this to the border's colour are background
CLUSTER = 12.0  # width of the Lab cells that are counted, and radius of the winner's mean
MIN_SHARE = 0.01  # of the pixels that must differ from the background for there to be a thing

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


def border_colour(picture: Picture) -> Picture:
    """The median RGB of the frame, 1/32 of the side wide: (3,)."""
    height, width = picture.shape[:2]
    inside = np.zeros((height, width), bool)
    edge = max(1, min(height, width) // 32)
    inside[edge : height - edge, edge : width - edge] = True
    return np.median(picture[~inside], axis=0).astype(np.uint8)


def background_name(picture: Picture) -> str:
    """The palette's name that is nearest to the picture's border."""
    lab = to_lab(border_colour(picture))
    return min(BACKGROUNDS, key=lambda name: float(distance(lab, to_lab(BACKGROUNDS[name]))))


def dominant_colour(picture: Picture) -> Floats | None:
    """The commonest colour that is not the background's, in Lab (3,); None on a blank picture."""
    lab = to_lab(picture).reshape(-1, 3)
    thing = lab[distance(lab, to_lab(border_colour(picture))) > BACKGROUND_RADIUS]
    if len(thing) < MIN_SHARE * len(lab):
        return None
    cells, counts = np.unique(np.round(thing / CLUSTER), axis=0, return_counts=True)
    near = distance(thing, cells[counts.argmax()] * CLUSTER) <= CLUSTER
    return thing[near].mean(0)


def nearest_distance(colour: Floats | None, others: Iterable[Floats | None]) -> float:
    """Delta E to the nearest of `others`; inf if there is nothing to compare."""
    found = [float(distance(colour, o)) for o in others if o is not None and colour is not None]
    return min(found, default=float("inf"))
