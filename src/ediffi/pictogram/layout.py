"""Where pictures stand on the canvas, in unit coordinates (0, 0) top left to (1, 1)."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from ediffi.core.types import Box

MARGIN = 0.015
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
"""Layouts by how many pictures there are of each thing; for two things there is also "front", the
first thing before the second."""


def arrangement(groups: tuple[int, ...], rng: Random, *, in_front: float) -> str:
    """A layout for so many pictures of each thing. in_front: share of pairs that overlap."""
    if groups == (1, 1) and rng.random() < in_front:
        return "front"
    return rng.choice(ARRANGED[groups])


def boxes(
    layout: str,
    groups: Sequence[int],
    aspects: Sequence[float],
    rng: Random,
    *,
    sized: float,
    jitter: float,
) -> list[list[Box]]:
    """A box for every picture, thing by thing.

    aspects: width / height of each thing's pictures, which boxes keep; sized: share of layouts with
    sizes that are worth a word; jitter: of the room left over, the share that boxes move in.
    """
    unusual = rng.random() < sized
    share, fill = 0.5, rng.uniform(0.8, 0.97)
    if layout == "single" and unusual:
        fill = rng.choice((rng.uniform(0.2, 0.4), rng.uniform(0.88, 0.97)))
    elif layout == "single":
        fill = rng.uniform(0.5, 0.86)
    elif unusual and tuple(groups) == (1, 1):
        share = rng.choice((0.3, 0.36, 0.64, 0.7))
    rooms = iter(slots(layout, groups, share))
    return [
        [fit(next(rooms), aspect, fill, rng, jitter) for _ in range(count)]
        for aspect, count in zip(aspects, groups, strict=True)
    ]


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
    dx = rng.uniform(-0.5, 0.5) * (min(x1 - x0, 1 - 2 * MARGIN) - width) * jitter
    dy = rng.uniform(-0.5, 0.5) * (min(y1 - y0, 1 - 2 * MARGIN) - height) * jitter
    x, y = _inside((x0 + x1) / 2 + 0.7 * dx, width), _inside((y0 + y1) / 2 + 0.7 * dy, height)
    return (x - width / 2, y - height / 2, width, height)


def _inside(centre: float, length: float) -> float:
    low, high = length / 2 + MARGIN, 1 - length / 2 - MARGIN
    return min(max(centre, low), high) if low < high else 0.5


def _side(boxes: Sequence[Box]) -> float:
    return sum(max(w, h) for _, _, w, h in boxes) / len(boxes)


def size_words(boxes: Sequence[Sequence[Box]]) -> list[str | None]:
    """Keys of `captions.SIZES` where sizes stand out: against the canvas, or two things' sides."""
    sides = [_side(own) for own in boxes]
    if len(sides) == 1 and len(boxes[0]) == 1:
        small = "tiny" if sides[0] <= 0.28 else "small" if sides[0] <= 0.42 else None
        return ["big" if sides[0] >= 0.86 else small]
    if len(sides) == 2:
        ratio = max(sides) / min(sides)
        if ratio >= 1.45:
            big, small = ("huge", "tiny") if ratio >= 2.4 else ("big", "small")
            return [big, small] if sides[0] > sides[1] else [small, big]
    return [None] * len(sides)


def place_words(boxes: Sequence[Box]) -> str:
    """Where the middle of a thing, or of several, is on the canvas."""
    x = (min(b[0] for b in boxes) + max(b[0] + b[2] for b in boxes)) / 2 - 0.5
    y = (min(b[1] for b in boxes) + max(b[1] + b[3] for b in boxes)) / 2 - 0.5
    if max(abs(x), abs(y)) < 0.12:
        return "in the middle"
    if abs(x) > 2 * abs(y):
        return "on the left" if x < 0 else "on the right"
    if abs(y) > 2 * abs(x):
        return "at the top" if y < 0 else "at the bottom"
    return f"at the {'top' if y < 0 else 'bottom'} {'left' if x < 0 else 'right'}"
