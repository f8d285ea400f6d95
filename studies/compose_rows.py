"""Fixed prompts about how things are put together, and the real pictures that they describe."""

from __future__ import annotations

import colorsys
from typing import ClassVar

import numpy as np

from ediffi.core.types import Pixels
from ediffi.pictogram.drawings import Place, placed
from ediffi.pictogram.grid import MONOCHROME, Cell
from ediffi.pictogram.palette import BACKGROUNDS, ink_for
from ediffi.pictogram.render import Renderer
from studies.rows import Row, committed

COMPOSE = committed("compose_prompts.jsonl")
"""What `compose_prompts` gave; committed before the weights that it judges."""

KINDS = ("single", "two", "count", "colour", "background", "relation", "binding")
RELATIONS = ("to the left of", "to the right of", "above", "below")

_BESIDE: tuple[Place, ...] = ((0.4, 0.26, 0.5), (0.4, 0.74, 0.5))
_STACKED: tuple[Place, ...] = ((0.4, 0.5, 0.26), (0.4, 0.5, 0.74))
_ROWS: dict[int, tuple[Place, ...]] = {
    1: ((0.75, 0.5, 0.5),),
    2: _BESIDE,
    3: ((0.36, 0.5, 0.26), (0.36, 0.26, 0.74), (0.36, 0.74, 0.74)),
    4: ((0.36, 0.26, 0.26), (0.36, 0.74, 0.26), (0.36, 0.26, 0.74), (0.36, 0.74, 0.74)),
}


class Wanted(Row):
    """One kind of thing in a picture. colour: asked for by name, or None."""

    hexcode: str
    count: int = 1
    colour: str | None = None


class ComposePrompt(Row):
    """relation: where the first thing is, seen from the second, or None."""

    what: ClassVar[str] = "compose prompts"

    kind: str
    prompt: str
    seed: int
    things: tuple[Wanted, ...]
    background: str
    relation: str | None = None


def truth(renderer: Renderer, row: ComposePrompt, style: str, size: int) -> Pixels:
    """The real picture of a prompt: its cells side by side, one above the other, as many, and in
    the colour, that it says. (size, size, 3) uint8."""
    if row.kind == "count":
        places = _ROWS[row.things[0].count]
        cells = [row.things[0]] * row.things[0].count
    elif len(row.things) == 1:
        places, cells = _ROWS[1], list(row.things)
    else:
        places, cells = _STACKED if row.relation in RELATIONS[2:] else _BESIDE, list(row.things)
        if row.relation in (RELATIONS[1], RELATIONS[3]):
            cells.reverse()
    out = np.empty((size, size, 3), np.uint8)
    out[:] = BACKGROUNDS[row.background]
    for thing, place in zip(cells, places, strict=True):
        _paste(out, renderer, renderer.grid.cells[thing.hexcode, style], thing.colour, place)
    return out


def _paste(out: Pixels, renderer: Renderer, cell: Cell, colour: str | None, place: Place) -> None:
    """Draw a cell in place, in a colour if one is asked for; one-colour drawings in their ink."""
    size = len(out)
    left, top, width, height = placed(cell, "white", place).box
    w, h = max(1, round(width * size)), max(1, round(height * size))
    x, y = round(left * size), round(top * size)
    pixels = renderer.sprites.cut(cell, (0.0, 0.0, 1.0, 1.0), w, h)
    if colour is not None:
        pixels = recoloured(pixels, colour)
    elif cell.style in MONOCHROME:
        red, green, blue = out[0, 0].tolist()
        ink = np.array(ink_for((red, green, blue))[0]) / 255
        pixels = np.concatenate([(pixels[..., 3:] * ink).astype(np.uint8), pixels[..., 3:]], -1)
    clear = 255 - pixels[..., 3:].astype(np.uint16)
    under = (out[y : y + h, x : x + w].astype(np.uint16) * clear + 127) // 255
    out[y : y + h, x : x + w] = np.minimum(pixels[..., :3] + under, 255)


def recoloured(pixels: Pixels, colour: str) -> Pixels:
    """A premultiplied drawing with the hue of a named colour where it has one; its typical
    brightness and saturation become that colour's, its shading stays."""
    alpha = pixels[..., 3:].astype(np.float64) / 255
    rgb = np.where(alpha > 0, pixels[..., :3] / 255 / np.maximum(alpha, 1e-6), 0).clip(0, 1)
    value, low = rgb.max(-1), rgb.min(-1)
    saturation = np.where(value > 0, (value - low) / np.maximum(value, 1e-6), 0)
    tinted = (saturation > 0.2) & (alpha[..., 0] > 0.5)
    if not tinted.any():
        return pixels
    hue, s, v = colorsys.rgb_to_hsv(*(c / 255 for c in BACKGROUNDS[colour]))
    pure = np.array(colorsys.hsv_to_rgb(hue, 1.0, 1.0))
    new_s = (saturation * s / np.median(saturation[tinted])).clip(0, 1)[..., None]
    new_v = (value * v / np.median(value[tinted])).clip(0, 1)[..., None]
    painted = new_v * (1 - new_s + new_s * pure)
    out = np.where((saturation > 0.2)[..., None], painted, rgb)
    return np.concatenate([np.round(out * alpha * 255).astype(np.uint8), pixels[..., 3:]], -1)
