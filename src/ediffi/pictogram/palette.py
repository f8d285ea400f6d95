"""Colours with names: backgrounds to compose on, and the name of a drawing's main colour."""

from __future__ import annotations

import colorsys

import numpy as np
from numpy.typing import NDArray

RGB = tuple[int, int, int]

BACKGROUNDS: dict[str, RGB] = {
    "white": (255, 255, 255),
    "light gray": (208, 211, 216),
    "gray": (136, 141, 149),
    "black": (24, 24, 27),
    "red": (214, 52, 56),
    "orange": (245, 146, 45),
    "yellow": (252, 217, 77),
    "green": (62, 157, 82),
    "light green": (178, 225, 158),
    "teal": (38, 152, 152),
    "light blue": (164, 212, 245),
    "blue": (52, 108, 214),
    "navy": (28, 42, 92),
    "purple": (126, 72, 178),
    "pink": (248, 170, 200),
    "brown": (125, 82, 54),
}
INKS: dict[str, RGB] = {"black": (20, 20, 22), "white": (255, 255, 255)}
MIN_INK_CONTRAST = 3.0  # WCAG 2.1's floor for graphics


def luminance(rgb: RGB) -> float:
    """WCAG relative luminance in [0, 1]."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in _unit(rgb)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: RGB, b: RGB) -> float:
    """WCAG contrast ratio in [1, 21]."""
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


def ink_for(*backgrounds: RGB) -> tuple[RGB, float]:
    """The ink that stands out best on all the backgrounds, and its worst contrast."""
    worst = {rgb: min(contrast(rgb, b) for b in backgrounds) for rgb in INKS.values()}
    best = max(worst, key=lambda rgb: worst[rgb])
    return best, worst[best]


def similar(a: RGB, b: RGB) -> bool:
    """Whether one colour can hardly be seen on the other."""
    red, green, blue = (x - y for x, y in zip(a, b, strict=True))
    return 2 * red * red + 4 * green * green + 3 * blue * blue < 9 * 45**2


def _unit(rgb: RGB) -> tuple[float, float, float]:
    return rgb[0] / 255, rgb[1] / 255, rgb[2] / 255


def colour_name(rgb: RGB) -> str | None:
    """The everyday name of a colour, or None between two names.

    >>> colour_name((230, 60, 50)), colour_name((120, 75, 45)), colour_name((250, 250, 250))
    ('red', 'brown', 'white')
    """
    hue, saturation, value = colorsys.rgb_to_hsv(*_unit(rgb))
    if value < 0.24:
        return "black"
    if saturation < 0.13:
        return "white" if value > 0.88 else "gray"
    if saturation < 0.22:
        return None
    return _hue_name(hue * 360, saturation, value)


def _hue_name(hue: float, saturation: float, value: float) -> str | None:
    if hue < 14 or hue >= 346:
        if value < 0.55:
            return "brown" if hue < 14 and saturation < 0.7 else None
        return "pink" if saturation < 0.5 else "red"
    if hue < 42:
        if value < 0.8:
            return "brown"
        return "orange" if saturation > 0.55 and hue < 35 else None
    if hue < 66:
        return "yellow" if value > 0.7 and saturation > 0.35 else None
    if hue < 165:
        return "green" if hue >= 75 else None
    if hue < 250:
        return "blue" if hue >= 190 else None
    if hue < 292:
        return "purple"
    return "pink" if value > 0.6 else "purple"


def main_colour(pixels: NDArray[np.uint8], share: float = 0.55) -> str | None:
    """The name that at least `share` of a sprite's opaque pixels carry, or None.

    pixels: premultiplied RGBA (h, w, 4); few are looked at, so pass a small picture.
    """
    solid = pixels[pixels[..., 3] > 200][:, :3]
    if not len(solid):
        return None
    colours, counts = np.unique(solid // 8 * 8 + 4, axis=0, return_counts=True)
    tally: dict[str | None, int] = {}
    for rgb, count in zip(colours.tolist(), counts.tolist(), strict=True):
        name = colour_name(tuple(rgb))
        tally[name] = tally.get(name, 0) + count
    tally.pop(None, None)
    best = max(tally, key=lambda name: tally[name], default=None)
    return best if best is not None and tally[best] >= share * len(solid) else None
