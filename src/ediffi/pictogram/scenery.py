"""Painted places: skies, the sea, land, a city. Each paints the regions that it is asked for.

A painter takes its randomness in the same order whatever the window is. shades: RGB by region.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

import numpy as np

from ediffi.pictogram.canvas import Canvas, Floats, union
from ediffi.pictogram.palette import RGB

Shades = Mapping[str, RGB]
WHITE = np.array([255, 255, 255], np.float32)
BLACK = np.array([18, 16, 26], np.float32)


def blend(first: object, second: object, share: float) -> Floats:
    """`share` of the way from one colour to another."""
    a, b = np.asarray(first, np.float32), np.asarray(second, np.float32)
    return (a + (b - a) * np.float32(share)).astype(np.float32)


def sky(canvas: Canvas, shades: Shades, rng: Random) -> None:
    """A sky that is paler below, with what else of the heavens is asked for."""
    share = np.clip(canvas.y / np.float32(0.9), 0, 1)[:, None, None]
    pale = 0.15 if "stars" in shades or min(shades["sky"]) > 190 else 0.45
    top, low = np.array(shades["sky"], np.float32), blend(shades["sky"], WHITE, pale)
    canvas.ground("sky", top + (low - top) * share)
    heavens = Random(rng.random())  # so that land does not change with what is in the sky
    if "stars" in shades:
        draws = [(heavens.random(), heavens.random(), heavens.random()) for _ in range(36)]
        x, y, r = np.array(draws).T
        canvas.layer("stars", canvas.specks(x, 0.85 * y, 0.004 + 0.007 * r), shades["stars"])
    if "sun" in shades:
        x, y, r = (
            heavens.uniform(0.12, 0.88),
            heavens.uniform(0.1, 0.24),
            heavens.uniform(0.06, 0.1),
        )
        canvas.layer("sun", canvas.disc(x, y, r), shades["sun"])
    if "moon" in shades:
        _moon(canvas, shades, heavens)
    if "clouds" in shades:
        _clouds(canvas, shades, heavens)


def _moon(canvas: Canvas, shades: Shades, rng: Random) -> None:
    x, y, r = rng.uniform(0.12, 0.88), rng.uniform(0.12, 0.28), rng.uniform(0.07, 0.11)
    rows, columns, cover = canvas.disc(x, y, r)
    if rng.random() < 0.5:  # a crescent
        dx, dy = canvas.x[columns] - (x + 0.45 * r), canvas.y[rows, None] - (y - 0.2 * r)
        cover = np.minimum(cover, canvas.sharp(np.sqrt(dx * dx + dy * dy) - np.float32(0.9 * r)))
    canvas.layer("moon", (rows, columns, cover), shades["moon"])


def _clouds(canvas: Canvas, shades: Shades, rng: Random) -> None:
    for number in range(rng.randint(3, 5)):
        x = (number + rng.uniform(0.1, 0.9)) / 4
        y, width = rng.uniform(0.08, 0.38), rng.uniform(0.13, 0.24)
        puffs = [(x, y - 0.12 * width, 0.3 * width)]
        puffs += [(x + s * width * 0.32, y, rng.uniform(0.16, 0.22) * width) for s in (-1, 1)]
        rows, columns, cover = union(
            [canvas.disc(*puff) for puff in puffs]
            + [canvas.disc(x, y + 0.1 * width, 0.55 * width, 0.12 * width)]
        )
        base = canvas.sharp(np.float32(y + 0.14 * width) - canvas.y[rows, None])
        canvas.layer("clouds", (rows, columns, cover * base), shades["clouds"])


def _ridge(canvas: Canvas, rng: Random, middle: float, swing: float, waves: float) -> Floats:
    """A line of soft hills: y at each x."""
    line = np.full_like(canvas.x, middle)
    for times in (1.0, 2.3):
        phase, turns = rng.uniform(0, 2 * np.pi), waves * times * rng.uniform(0.8, 1.2)
        line += np.float32(swing / times) * np.sin(canvas.x * np.float32(2 * np.pi * turns) + phase)
    return line.astype(np.float32)


def _ranges(
    canvas: Canvas, region: str, rgb: RGB, rng: Random, *, top: float, swing: float
) -> None:
    """Three rows of hills, the farther the paler."""
    haze = 0.3 if max(rgb) > 100 else 0.12
    for number, share in enumerate((1.0, 0.4, 0.0)):
        line = _ridge(canvas, rng, top + 0.15 * number, swing, 0.9 + 0.3 * number)
        far = haze * share
        canvas.layer(region, canvas.below(line), blend(rgb, WHITE, far))


def hills(canvas: Canvas, shades: Shades, rng: Random) -> None:
    sky(canvas, shades, rng)
    top = rng.uniform(0.5, 0.62)
    _ranges(canvas, "hills", shades["hills"], rng, top=top, swing=0.06)
    _trees(canvas, shades, rng, top + 0.27)


def _trees(canvas: Canvas, shades: Shades, rng: Random, ground: float) -> None:
    if "trees" not in shades:
        return
    for number in range(rng.randint(4, 7)):
        x, foot = (number + rng.random()) / 6, ground + rng.uniform(0, 0.1)
        height = rng.uniform(0.12, 0.2)
        shade = blend(shades["trees"], BLACK, rng.uniform(0.1, 0.3))
        for step in range(3):
            tip = foot - height + 0.25 * height * step
            half = height * (0.2 + 0.07 * step)
            canvas.layer("trees", canvas.triangle(x, tip, tip + 0.5 * height, half), shade)


def meadow(canvas: Canvas, shades: Shades, rng: Random) -> None:
    sky(canvas, shades, rng)
    line = _ridge(canvas, rng, rng.uniform(0.52, 0.62), 0.02, 0.7)
    near = np.clip((canvas.y - 0.5) * 2, 0, 1)[:, None, None]
    far = blend(shades["grass"], WHITE, 0.2)
    patch = canvas.below(line)
    canvas.layer("grass", patch, (far + (np.array(shades["grass"]) - far) * near)[patch[0]])
    if "flowers" in shades:
        x, depth = np.array([(rng.random(), rng.random()) for _ in range(24)]).T
        specks = canvas.specks(x, 0.68 + 0.3 * depth, 0.008 + 0.012 * depth)
        canvas.layer("flowers", specks, shades["flowers"])


def snow(canvas: Canvas, shades: Shades, rng: Random) -> None:
    sky(canvas, shades, rng)
    top = rng.uniform(0.58, 0.68)
    for number, shade in enumerate((0.1, 0.05, 0.0)):
        line = _ridge(canvas, rng, top + 0.12 * number, 0.035, 0.8)
        canvas.layer("snow", canvas.below(line), blend(shades["snow"], (120, 150, 200), shade))
        if number == 0:
            _trees(canvas, shades, rng, top + 0.08)
    if "snowflakes" in shades:
        draws = [(rng.random(), rng.random(), rng.random()) for _ in range(40)]
        x, y, r = np.array(draws).T
        canvas.layer("snowflakes", canvas.specks(x, y, 0.006 + 0.007 * r), shades["snowflakes"])


def sea(canvas: Canvas, shades: Shades, rng: Random) -> None:
    sky(canvas, shades, rng)
    horizon = rng.uniform(0.45, 0.6)
    _water(canvas, shades["sea"], rng, horizon)
    if "sand" in shades:
        line = _ridge(canvas, rng, 0.86, 0.015, 1.2)
        canvas.layer("sand", canvas.below(line), shades["sand"])


def _water(canvas: Canvas, rgb: RGB, rng: Random, horizon: float) -> None:
    """Water with bands of light that get wider towards the shore."""
    rows, columns, cover = canvas.below(np.full_like(canvas.x, horizon))
    depth = np.clip(canvas.y[rows, None] - np.float32(horizon), 0, 1)
    swell = np.sin(canvas.x * np.float32(2 * np.pi * 2.2) + rng.uniform(0, 6))
    bands = np.sin(np.sqrt(depth) * np.float32(46) + swell * np.float32(0.9))
    light = (bands * np.clip(depth * 5, 0, 1) * np.float32(0.14) + np.float32(0.14))[..., None]
    colour = np.asarray(rgb, np.float32)
    canvas.layer("sea", (rows, columns, cover), colour + (WHITE - colour) * light)


def sunset(canvas: Canvas, shades: Shades, rng: Random) -> None:
    """A glowing sky, the sun low over land or water that is all in shadow."""
    share = canvas.y[:, None, None]
    top, low = blend(shades["sky"], BLACK, 0.12), blend(shades["sky"], (255, 225, 150), 0.45)
    canvas.ground("sky", top + (low - top) * np.clip(share * np.float32(1.4), 0, 1))
    horizon, x = rng.uniform(0.6, 0.7), rng.uniform(0.25, 0.75)
    radius = rng.uniform(0.1, 0.15)
    canvas.layer("sun", canvas.disc(x, horizon - 0.02, radius), shades["sun"])
    if "clouds" in shades:
        for _ in range(4):
            at = rng.random(), rng.uniform(0.12, 0.5), rng.uniform(0.12, 0.26)
            canvas.layer("clouds", canvas.disc(*at, rng.uniform(0.012, 0.022)), shades["clouds"])
    if "sea" in shades:
        _water(canvas, shades["sea"], rng, horizon)
    else:
        _ranges(canvas, "hills", shades["hills"], rng, top=horizon + 0.02, swing=0.025)


def night(canvas: Canvas, shades: Shades, rng: Random) -> None:
    sky(canvas, shades, rng)
    if "hills" in shades:
        _ranges(canvas, "hills", shades["hills"], rng, top=rng.uniform(0.68, 0.75), swing=0.04)


def mountains(canvas: Canvas, shades: Shades, rng: Random) -> None:
    sky(canvas, shades, rng)
    for far, count in ((0.35, 4), (0.1, 3)):
        for number in range(count):
            x = (number + rng.uniform(0.2, 0.8)) / count
            tip, half = rng.uniform(0.28, 0.42) + 0.14 * (far < 0.2), rng.uniform(0.26, 0.36)
            rock = blend(shades["mountains"], WHITE, far)
            canvas.layer("mountains", canvas.triangle(x, tip, 1.02, half), rock)
            if "snow" in shades:
                cap = 0.26 * (1.02 - tip)
                patch = canvas.triangle(x, tip, tip + cap, half * 0.26)
                canvas.layer("snow", patch, shades["snow"])


def desert(canvas: Canvas, shades: Shades, rng: Random) -> None:
    sky(canvas, shades, rng)
    _ranges(canvas, "sand", shades["sand"], rng, top=rng.uniform(0.55, 0.65), swing=0.04)


def city(canvas: Canvas, shades: Shades, rng: Random) -> None:
    """A row of blocks against the sky, some of them with lit windows."""
    sky(canvas, shades, rng)
    x = -0.02
    while x < 1:
        width, top = rng.uniform(0.08, 0.15), rng.uniform(0.42, 0.75)
        shade = blend(shades["buildings"], WHITE, rng.uniform(0, 0.12))
        canvas.layer("buildings", canvas.box(x, top, x + width, 1.02), shade)
        if "windows" in shades:
            _windows(canvas, shades["windows"], rng, x, top, width)
        x += width * rng.uniform(0.95, 1.15)


def _windows(canvas: Canvas, rgb: RGB, rng: Random, x: float, top: float, width: float) -> None:
    side = width / 7
    floors = np.arange(top + 1.2 * side, 0.97, 2.6 * side)
    lit = np.array([[rng.random() < 0.45 for _ in range(3)] for _ in floors])
    left = x + side * np.array([1.0, 3.0, 5.0])
    canvas.layer("windows", canvas.lattice(left, floors, (side, 1.4 * side), lit), rgb)
