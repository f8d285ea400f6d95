"""Pictures in other hues, and the colour words that are then true of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ediffi.core.types import Pixels
from ediffi.pictogram.grid import NO_COLOUR_GROUPS, Cell
from ediffi.pictogram.palette import RGB, main_colour
from ediffi.pictogram.sprites import SpriteStore

STEP = 30  # degrees between the turns that are tried
HUES = frozenset("red orange yellow green blue purple pink".split())
MIN_SHARE = 0.6  # of the opaque pixels that must carry the word


@dataclass(frozen=True)
class Hue:
    """A turn of all hues by `degrees`, after which the main colour is `name`."""

    degrees: int
    name: str
    mean: RGB


def turn_hue(pixels: Pixels, degrees: float) -> Pixels:
    """Turn every hue, keeping the HSV saturation and value of every pixel; greys stay.

    pixels: premultiplied RGBA (h, w, 4); alpha is kept. Acts on each pixel by itself.
    """
    rgb = pixels[..., :3].astype(np.float32)
    high, low = rgb.max(-1), rgb.min(-1)
    chroma = high - low
    red, green, blue = np.moveaxis(rgb, -1, 0)
    safe = np.maximum(chroma, 1)
    sector = np.where(
        high == red,
        (green - blue) / safe,
        np.where(high == green, (blue - red) / safe + 2, (red - green) / safe + 4),
    )
    turned = sector + np.float32(degrees / 60)
    out = pixels.copy()
    for channel, offset in enumerate((5, 3, 1)):
        k = (turned + np.float32(offset)) % 6
        share = np.clip(np.minimum(k, 4 - k), 0, 1)
        out[..., channel] = np.rint(high - chroma * share)
    return out


class Recolours:
    """The hues that each picture can be turned to, worked out when first asked for."""

    def __init__(self, sprites: SpriteStore) -> None:
        self.sprites = sprites
        self._known: dict[tuple[str, str], tuple[Hue, ...]] = {}

    def of(self, cell: Cell) -> tuple[Hue, ...]:
        """None for faces, people and symbols, nor where no single colour prevails."""
        key = (cell.hexcode, cell.style)
        if key not in self._known:
            self._known[key] = self._hues(cell)
        return self._known[key]

    def _hues(self, cell: Cell) -> tuple[Hue, ...]:
        if cell.colour not in HUES | {"brown"} or cell.concept.group in NO_COLOUR_GROUPS:
            return ()
        small = self.sprites.small(cell)
        hues = []
        for degrees in range(STEP, 360, STEP):
            turned = turn_hue(small, degrees)
            name = main_colour(turned, MIN_SHARE)
            if name in HUES and name != cell.colour:
                weight = max(1, int(turned[..., 3].sum()))
                total = turned[..., :3].reshape(-1, 3).sum(0, dtype=np.int64)
                red, green, blue = (int(c) for c in total * 255 // weight)
                hues.append(Hue(degrees, name, (red, green, blue)))
        return tuple(hues)
