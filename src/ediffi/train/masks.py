"""Where phrases are, and what training shows of it: as if a person had painted, often roughly."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

SIDE = 32  # of masks: twice the finest grid with attention
NUM = 6  # phrases of a caption that have masks, things before what is behind them
WEIGHTS = (0.1, 1.0)  # least and largest w' of a painting
THING, REST = 0.85, 0.3  # how often a painting has a thing, and what is behind things
KINDS = ("exact", "box", "blob", "scribble")

Mask = NDArray[np.uint8]


def paintings(
    masks: Mask, things: Sequence[bool], seed: int, share: float
) -> tuple[Mask, list[float]]:
    """What one picture is shown: masks (NUM, SIDE, SIDE) uint8, and the weight w' of each.

    Nothing but for a `share` of pictures; then masks are exact, or as rough as `rough` makes them,
    some are missing, and w' is log-uniform in WEIGHTS. All of it is a function of the seed.

    Args:
        masks: (NUM, SIDE, SIDE) uint8, 255 where a phrase is, empty where there are fewer phrases.
        things: of each phrase, whether it stands somewhere or is a part of the background.
    """
    rng = Random(f"masks:{seed}")
    shown, weights = np.zeros_like(masks), [0.0] * NUM
    if rng.random() >= share:
        return shown, weights
    least, largest = WEIGHTS
    weight = least * (largest / least) ** rng.random()
    kind = rng.choice(KINDS)  # who paints roughly paints everything so
    for n, thing in enumerate(things):
        if rng.random() < (THING if thing else REST):
            shown[n] = rough(masks[n], kind, rng) if thing else masks[n]
            weights[n] = weight
    return shown, weights


def rough(mask: Mask, kind: str, rng: Random) -> Mask:
    """The mask of a thing as a person may paint it; kind: one of KINDS.

    mask: (side, side) uint8, 255 where the thing is. A box or a scribble fills its bounding box,
    sides moved by up to 15 % of it; a blob is the mask blurred and grown.
    """
    side = len(mask)
    rows, columns = (np.flatnonzero((mask > 127).any(axis)) for axis in (1, 0))
    if kind == "exact" or not len(rows):
        return mask
    image = Image.new("L", (side, side))
    if kind == "blob":
        reach = rng.uniform(0.02, 0.08) * side
        level = rng.randint(25, 130)
        soft = Image.fromarray(mask).filter(ImageFilter.GaussianBlur(reach))
        return np.asarray(soft.point([255 * (value > level) for value in range(256)]))
    height, width = len(rows), len(columns)
    left, right = (float(x) + rng.uniform(-0.15, 0.15) * width for x in (columns[0], columns[-1]))
    top, bottom = (float(y) + rng.uniform(-0.15, 0.15) * height for y in (rows[0], rows[-1]))
    pen = ImageDraw.Draw(image)
    if kind == "box":
        pen.rectangle((min(left, right), min(top, bottom), max(left, right), max(top, bottom)), 255)
        return np.asarray(image)
    turns = rng.randint(3, 6)
    ends = [(left, right)[n % 2] + rng.uniform(-0.1, 0.1) * width for n in range(turns + 1)]
    downs = [top + (bottom - top) * n / turns for n in range(turns + 1)]
    pen.line(list(zip(ends, downs, strict=True)), 255, rng.randint(2, 3))
    return np.asarray(image)
