"""Starting half way: a small picture of the user's enters the cascade at an upscaler."""

from __future__ import annotations

import numpy as np
from PIL import Image
from torch import Tensor

from ediffi.core.errors import note
from ediffi.core.pixels import from_uint8


def low_resolution(picture: Image.Image, side: int) -> Tensor:
    """The middle square of a picture at `side` pixels, (1, 3, side, side) in [-1, 1]."""
    width, height = picture.size
    square = min(width, height)
    if width != height:
        note(
            f"the picture to start from is {width}x{height}: "
            f"its middle square of {square}x{square} is used"
        )
    left, top = (width - square) // 2, (height - square) // 2
    middle = picture.crop((left, top, left + square, top + square))
    if square != side:
        how = Image.Resampling.BOX if square > side else Image.Resampling.BICUBIC
        middle = middle.resize((side, side), how)
    return from_uint8([np.array(middle)])
