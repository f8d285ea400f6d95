"""Patterns, gradients and papers: grounds of one or two colours, by painters as in `scenery`."""

from __future__ import annotations

from random import Random

import numpy as np

from ediffi.pictogram.canvas import Canvas, Floats
from ediffi.pictogram.scenery import WHITE, Shades, blend


def plain(canvas: Canvas, shades: Shades, rng: Random) -> None:
    canvas.ground("ground", shades["ground"])


def stacked(canvas: Canvas, shades: Shades, rng: Random) -> None:
    canvas.ground("top", shades["top"])
    canvas.layer("bottom", canvas.box(-0.1, 0.5, 1.1, 1.1), shades["bottom"])


def split(canvas: Canvas, shades: Shades, rng: Random) -> None:
    canvas.ground("left", shades["left"])
    canvas.layer("right", canvas.box(0.5, -0.1, 1.1, 1.1), shades["right"])


def _fade(canvas: Canvas, shades: Shades, share: Floats) -> None:
    """From the first region to the second; each is there as much as its colour is."""
    start, end = shades
    canvas.ground(start, shades[start])
    cover = np.broadcast_to(share, canvas.pixels.shape[:2])
    canvas.layer(end, canvas.everywhere(cover), shades[end])


def gradient(canvas: Canvas, shades: Shades, rng: Random) -> None:
    _fade(canvas, shades, canvas.y[:, None])


def side_gradient(canvas: Canvas, shades: Shades, rng: Random) -> None:
    _fade(canvas, shades, canvas.x[None])


def glow(canvas: Canvas, shades: Shades, rng: Random) -> None:
    x, y = rng.uniform(0.4, 0.6), rng.uniform(0.4, 0.6)
    distance = np.sqrt((canvas.x - np.float32(x)) ** 2 + (canvas.y[:, None] - np.float32(y)) ** 2)
    _fade(canvas, shades, np.clip(distance / np.float32(0.65), 0, 1))


def _bands(canvas: Canvas, along: Floats, period: float, share: float = 0.5) -> Floats:
    """Coverage by stripes; along: where each pixel lies across them."""
    turn = np.abs((along / np.float32(period)) % 1 - np.float32(0.5)) * np.float32(period)
    width = share * period
    # A band that is thinner than a pixel covers no more of it than its own width.
    return np.minimum(canvas.sharp(np.float32(width / 2) - turn), np.float32(width * canvas.size))


def _stripes(canvas: Canvas, shades: Shades, along: Floats, period: float) -> None:
    canvas.ground("ground", shades["ground"])
    cover = np.broadcast_to(_bands(canvas, along, period), canvas.pixels.shape[:2])
    canvas.layer("stripes", canvas.everywhere(cover), shades["stripes"])


def horizontal_stripes(canvas: Canvas, shades: Shades, rng: Random) -> None:
    _stripes(canvas, shades, canvas.y[:, None], 1 / rng.randint(3, 8))


def vertical_stripes(canvas: Canvas, shades: Shades, rng: Random) -> None:
    _stripes(canvas, shades, canvas.x[None], 1 / rng.randint(3, 8))


def diagonal_stripes(canvas: Canvas, shades: Shades, rng: Random) -> None:
    period, sign = 0.7071 / rng.randint(3, 7), rng.choice((-1, 1))
    along = (canvas.x + np.float32(sign) * canvas.y[:, None]) * np.float32(0.70710678)
    _stripes(canvas, shades, along, period)


def zigzag(canvas: Canvas, shades: Shades, rng: Random) -> None:
    count = rng.randint(3, 6)
    tooth = np.abs((canvas.x * np.float32(count)) % 1 - np.float32(0.5)) / np.float32(count)
    _stripes(canvas, shades, canvas.y[:, None] + tooth, 1 / count)


def checks(canvas: Canvas, shades: Shades, rng: Random) -> None:
    period = 2 / rng.randint(4, 10)
    across, down = (_bands(canvas, v, period) for v in (canvas.x[None], canvas.y[:, None]))
    canvas.ground("ground", shades["ground"])
    cover = across * (1 - down) + down * (1 - across)
    canvas.layer("squares", canvas.everywhere(cover), shades["squares"])


def dots(canvas: Canvas, shades: Shades, rng: Random) -> None:
    """Rows of dots, every second row moved by half a step."""
    step, share = 1 / rng.randint(4, 9), np.float32(rng.uniform(0.22, 0.34))
    x, y = canvas.x / np.float32(step), canvas.y[:, None] / np.float32(step)
    row = np.floor(y)
    dx = (x + row % 2 * np.float32(0.5)) % 1 - np.float32(0.5)
    dy = y - row - np.float32(0.5)
    canvas.ground("ground", shades["ground"])
    inside = (share - np.sqrt(dx * dx + dy * dy)) * np.float32(step)
    canvas.layer("dots", canvas.everywhere(canvas.sharp(inside)), shades["dots"])


def paper(canvas: Canvas, shades: Shades, rng: Random) -> None:
    """Coarse and fine grain on one colour."""
    seed = rng.randrange(1 << 20)
    grain = sum(canvas.noise(f, seed + f) * np.float32(w) for f, w in GRAIN)
    level = (np.asarray(grain, np.float32) * np.float32(0.05))[..., None]
    sheet = blend(shades["paper"], WHITE, 0.15)
    canvas.ground("paper", np.minimum(sheet * (np.float32(0.97) + level), 255))


GRAIN = ((6, 0.5), (23, 0.5), (90, 0.7), (260, 0.8))


def lined_paper(canvas: Canvas, shades: Shades, rng: Random) -> None:
    paper(canvas, shades, rng)
    lines = _bands(canvas, canvas.y[:, None], 1 / rng.randint(8, 12), 0.12)
    cover = np.broadcast_to(lines, canvas.pixels.shape[:2])
    canvas.layer("lines", canvas.everywhere(cover), shades["lines"])


def graph_paper(canvas: Canvas, shades: Shades, rng: Random) -> None:
    paper(canvas, shades, rng)
    period = 1 / rng.randint(6, 10)
    across, down = (_bands(canvas, v, period, 0.1) for v in (canvas.x[None], canvas.y[:, None]))
    canvas.layer("lines", canvas.everywhere(across + down - across * down), shades["lines"])
