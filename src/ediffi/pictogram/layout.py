"""Where pictures stand on the canvas, in unit coordinates (0, 0) top left to (1, 1)."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from ediffi.core.types import Box

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


Slot = tuple[float, float, float, float]
"""x0, y0, x1, y1 of the room that one picture may take."""

ARRANGED: dict[tuple[int, ...], tuple[str, ...]] = {
    (1,): ("single",),
    (2,): ("beside", "beside", "stacked"),
    (1, 1): ("beside", "beside", "stacked"),
    (3,): ("row", "triangle", "triangle"),
    (1, 1, 1): ("row", "triangle", "triangle"),
    (1, 2): ("beside", "stacked"),
    (2, 1): ("beside", "stacked"),
    (2, 2): ("beside", "stacked"),
    (1, 3): ("beside", "stacked", "among", "among"),
    (3, 1): ("beside", "stacked"),
    (4,): ("square", "square", "row"),
    (1, 1, 1, 1): ("square", "square", "row"),
}
"""Layouts of the full form by how many pictures there are of each thing; for two things in front
of each other there is also "front", the first thing before the second."""


def slots(layout: str, groups: Sequence[int], share: float = 0.5) -> list[Slot]:
    """A slot for every picture, thing by thing. share: of the first thing, if there are halves."""
    if layout == "single":
        return [(0.0, 0.0, 1.0, 1.0)]
    if layout == "front":
        return [(0.3, 0.45, 0.85, 0.98), (0.08, 0.02, 0.92, 0.86)]
    if layout == "triangle":
        return [(0.25, 0.02, 0.75, 0.5), (0.02, 0.5, 0.5, 0.98), (0.5, 0.5, 0.98, 0.98)]
    if layout == "square":
        return [(x, y, x + 0.5, y + 0.5) for y in (0.0, 0.5) for x in (0.0, 0.5)]
    if layout == "among":
        around = ((0.5, 0.16), (0.17, 0.83), (0.83, 0.83))
        middle = (0.32, 0.32, 0.68, 0.68)
        return [middle, *((x - 0.16, y - 0.16, x + 0.16, y + 0.16) for x, y in around)]
    total = sum(groups)
    if layout == "row":
        return [(n / total, 0.0, (n + 1) / total, 1.0) for n in range(total)]
    wide = layout == "beside"
    if len(groups) == 1:
        return _divided((0.0, 0.0, 1.0, 1.0), groups[0], across=wide)
    first = (0.0, 0.0, share, 1.0) if wide else (0.0, 0.0, 1.0, share)
    second = (share, 0.0, 1.0, 1.0) if wide else (0.0, share, 1.0, 1.0)
    return [slot for half, n in zip((first, second), groups, strict=True)
            for slot in _divided(half, n, across=not wide)]  # fmt: skip


def _divided(room: Slot, count: int, *, across: bool) -> list[Slot]:
    """A room in `count` equal parts, side by side or one below the other."""
    x0, y0, x1, y1 = room
    if across:
        step = (x1 - x0) / count
        return [(x0 + n * step, y0, x0 + (n + 1) * step, y1) for n in range(count)]
    step = (y1 - y0) / count
    return [(x0, y0 + n * step, x1, y0 + (n + 1) * step) for n in range(count)]


def fit(slot: Slot, aspect: float, fill: float, rng: Random, jitter: float = 1.0) -> Box:
    """The largest box of that aspect in a slot, times `fill`; jitter: of the room left over."""
    x0, y0, x1, y1 = slot
    height = min(y1 - y0, (x1 - x0) / aspect) * fill
    width = height * aspect
    dx = _uniform(rng, -0.5, 0.5) * (min(x1 - x0, 1 - 2 * MARGIN) - width) * jitter
    dy = _uniform(rng, -0.5, 0.5) * (min(y1 - y0, 1 - 2 * MARGIN) - height) * jitter
    x, y = _inside((x0 + x1) / 2 + 0.7 * dx, width), _inside((y0 + y1) / 2 + 0.7 * dy, height)
    return (x - width / 2, y - height / 2, width, height)


def _single_centre(width: float, height: float, rng: Random) -> tuple[float, float]:
    """Near the middle four times of five, else anywhere on the canvas."""
    reach = 0.25 if rng.random() < 0.8 else 1.0
    free_x, free_y = (1 - width) / 2 * reach, (1 - height) / 2 * reach
    return 0.5 + _uniform(rng, -free_x, free_x), 0.5 + _uniform(rng, -free_y, free_y)


def _inside(centre: float, length: float) -> float:
    low, high = length / 2 + MARGIN, 1 - length / 2 - MARGIN
    return min(max(centre, low), high) if low < high else 0.5
