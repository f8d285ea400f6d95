"""Are colours obeyed? The background's name, and the thing's dominant colour.

Colours are in CIE Lab, distances are Delta E, see `ediffi.pictogram.lab`.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ediffi.core.types import Pixels
from ediffi.pictogram.lab import Floats, distance, to_lab
from ediffi.pictogram.palette import BACKGROUNDS

BACKGROUND_RADIUS = 20.0  # pixels nearer than this to the border's colour are background
CLUSTER = 12.0  # width of the Lab cells that are counted, and radius of the winner's mean
MIN_SHARE = 0.01  # of the pixels that must differ from the background for there to be a thing


def border_colour(picture: Pixels) -> Pixels:
    """The median RGB of the frame, 1/32 of the side wide: (3,)."""
    height, width = picture.shape[:2]
    inside = np.zeros((height, width), bool)
    edge = max(1, min(height, width) // 32)
    inside[edge : height - edge, edge : width - edge] = True
    return np.median(picture[~inside], axis=0).astype(np.uint8)


def background_name(picture: Pixels) -> str:
    """The palette's name that is nearest to the picture's border."""
    lab = to_lab(border_colour(picture))
    return min(BACKGROUNDS, key=lambda name: float(distance(lab, to_lab(BACKGROUNDS[name]))))


def dominant_colour(picture: Pixels) -> Floats | None:
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
