"""How the fixed layouts were made: two or three things, each with a place painted for it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random

from ediffi.pictogram.composer import DEFAULT_STYLES, vocabulary
from ediffi.pictogram.drawings import visible_backgrounds
from ediffi.pictogram.grammar import article
from ediffi.pictogram.grid import Cell, Grid
from studies.layout_rows import Box, Kind, Layout, Place, Point

NUM = 240  # two of three have two things
# centres of the places, and the least and largest side of what is painted there
_PLACES: dict[int, tuple[tuple[tuple[Point, ...], float, float], ...]] = {
    2: (
        (((0.26, 0.5), (0.74, 0.5)), 0.38, 0.46),
        (((0.5, 0.26), (0.5, 0.74)), 0.38, 0.46),
        (((0.27, 0.27), (0.73, 0.73)), 0.38, 0.46),
        (((0.73, 0.27), (0.27, 0.73)), 0.38, 0.46),
    ),
    3: (
        (((0.18, 0.5), (0.5, 0.5), (0.82, 0.5)), 0.27, 0.31),
        (((0.5, 0.27), (0.26, 0.73), (0.74, 0.73)), 0.36, 0.43),
        (((0.5, 0.73), (0.26, 0.27), (0.74, 0.27)), 0.36, 0.43),
    ),
}


def make_layouts(
    grid: Grid, num: int = NUM, styles: Sequence[str] = DEFAULT_STYLES
) -> list[Layout]:
    """A pure function of the grid and the vocabulary."""
    rng = Random("layout")
    labels = {
        hexcode: label
        for hexcode, label in vocabulary().items()
        if all((hexcode, style) in grid.cells for style in styles)
    }
    return [_layout(grid, labels, styles, number, rng) for number in range(num)]


def _layout(
    grid: Grid, labels: dict[str, str], styles: Sequence[str], number: int, rng: Random
) -> Layout:
    count = 3 if number % 3 == 2 else 2
    kind: Kind = ("box", "blob", "scribble")[number // 3 % 3]
    while True:
        style = rng.choice(styles)
        hexcodes = rng.sample(sorted(labels), count)
        common = _common_backgrounds([grid.cells[h, style] for h in hexcodes])
        if common:
            break
    background = rng.choice(common)
    prompt, spans = _prompt([labels[h] for h in hexcodes], background, rng)
    centres, least, largest = rng.choice(_PLACES[count])
    things = []
    for hexcode, span, centre in zip(hexcodes, spans, rng.sample(centres, count), strict=True):
        points, width = _draw(kind, _box(centre, least, largest, rng), rng)
        rounded = tuple((round(x, 3), round(y, 3)) for x, y in points)
        things.append(Place(hexcode=hexcode, span=span, kind=kind, points=rounded, width=width))
    return Layout(
        prompt=prompt, seed=number, style=style, background=background, things=tuple(things)
    )


def _common_backgrounds(cells: Sequence[Cell]) -> list[str]:
    seen = [visible_backgrounds(cell) for cell in cells]
    return [name for name in seen[0] if all(name in others for others in seen)]


def _prompt(
    labels: Sequence[str], background: str, rng: Random
) -> tuple[str, list[tuple[int, int]]]:
    glue = [", ", " and "][3 - len(labels) :]
    if len(labels) == 2 and rng.random() < 0.5:
        glue = [" next to "]
    text, spans = "", []
    for label, before in zip(labels, ["", *glue], strict=True):
        text += before + article(label)
        spans.append((len(text) - len(label), len(text)))
    return f"{text} on {article(f'{background} background')}", spans


def _box(centre: Point, least: float, largest: float, rng: Random) -> Box:
    width, height = rng.uniform(least, largest), rng.uniform(least, largest)
    x, y = (c + rng.uniform(-0.015, 0.015) for c in centre)
    x, y = min(max(x, width / 2), 1 - width / 2), min(max(y, height / 2), 1 - height / 2)
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def _draw(kind: Kind, box: Box, rng: Random) -> tuple[list[Point], float]:
    """Points and brush width of a box, a blob or a scribble that fills a box."""
    left, top, right, bottom = box
    if kind == "box":
        return [(left, top), (right, top), (right, bottom), (left, bottom)], 0.0
    x, y, rx, ry = (left + right) / 2, (top + bottom) / 2, (right - left) / 2, (bottom - top) / 2
    if kind == "blob":
        waves = [(k, rng.uniform(0, 0.12), rng.uniform(0, math.tau)) for k in (2, 3, 5)]
        points = []
        for angle in (math.tau * step / 24 for step in range(24)):
            radius = 0.85 + sum(size * math.cos(k * angle + phase) for k, size, phase in waves)
            radius = min(radius, 1.0)
            points.append((x + rx * radius * math.cos(angle), y + ry * radius * math.sin(angle)))
        return points, 0.0
    width, turns = 0.08, 5
    points = []
    for turn in range(turns + 1):
        side = -1 if turn % 2 else 1
        across = x + side * (rx - width / 2) * rng.uniform(0.7, 1.0)
        down = top + width / 2 + (bottom - top - width) * turn / turns
        points.append((across, down + rng.uniform(-0.01, 0.01)))
    return points, width
