"""Where pictures stand on the canvas, in unit coordinates (0, 0) top left to (1, 1)."""

from __future__ import annotations

from random import Random

Box = tuple[float, float, float, float]
"""x, y, width, height as shares of the canvas."""

BACKGROUND_KINDS = ("plain", "stacked", "split", "gradient")
MARGIN = 0.015

# (centre x, centre y) of each place, the range of the long side, and how far a centre may move.
_PLACES: dict[str, tuple[tuple[tuple[float, float], ...], tuple[float, float], float]] = {
    "single": (((0.5, 0.5),), (0.55, 0.95), 0.0),
    "beside": (((0.26, 0.5), (0.74, 0.5)), (0.38, 0.48), 0.03),
    "stacked": (((0.5, 0.26), (0.5, 0.74)), (0.38, 0.48), 0.03),
    "row": (((0.175, 0.5), (0.5, 0.5), (0.825, 0.5)), (0.27, 0.33), 0.02),
    "triangle": (((0.5, 0.27), (0.27, 0.73), (0.73, 0.73)), (0.36, 0.45), 0.02),
}
LAYOUTS = {1: ("single",), 2: ("beside", "beside", "stacked"), 3: ("row", "triangle", "triangle")}


def _uniform(rng: Random, low: float, high: float) -> float:
    return low + (high - low) * rng.random()


def place(layout: str, aspects: list[float], rng: Random, jitter: float = 1.0) -> list[Box]:
    """A box for every picture. aspects: width / height of each; boxes keep them exactly.

    jitter: how much of the layout's freedom in size and place is used; at 0 every picture of a
    layout stands in the same place, with its long side at the upper third of the range.
    """
    centres, (low, high), wander = _PLACES[layout]
    usual = low + (high - low) * 2 / 3
    # Neighbours are of similar size, so that no arrangement looks like an accident.
    common = _uniform(rng, low, high)
    boxes = []
    for (home_x, home_y), aspect in zip(centres, aspects, strict=True):
        free = common if layout == "single" else common * _uniform(rng, 0.92, 1.0)
        side = usual + jitter * (free - usual)
        width, height = (side, side / aspect) if aspect >= 1 else (side * aspect, side)
        if layout == "single":
            x, y = _single_centre(width, height, rng)
        else:
            x = home_x + _uniform(rng, -wander, wander)
            y = home_y + _uniform(rng, -wander, wander)
        x, y = home_x + jitter * (x - home_x), home_y + jitter * (y - home_y)
        x, y = _inside(x, width), _inside(y, height)
        boxes.append((x - width / 2, y - height / 2, width, height))
    return boxes


def _single_centre(width: float, height: float, rng: Random) -> tuple[float, float]:
    """Near the middle four times of five, else anywhere on the canvas."""
    reach = 0.25 if rng.random() < 0.8 else 1.0
    free_x, free_y = (1 - width) / 2 * reach, (1 - height) / 2 * reach
    return 0.5 + _uniform(rng, -free_x, free_x), 0.5 + _uniform(rng, -free_y, free_y)


def _inside(centre: float, length: float) -> float:
    low, high = length / 2 + MARGIN, 1 - length / 2 - MARGIN
    return min(max(centre, low), high) if low < high else 0.5
