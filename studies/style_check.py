"""Can the judge of styles be trusted? What it says of real drawings that are a little damaged.

Vectors have areas of one colour, so the least grain may look like a raster's: heads that see their
pictures under more or less noise are compared, with no output of a model among what they see.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ediffi.evaluate.features import Report
from ediffi.evaluate.report import percent, table
from ediffi.pictogram.drawings import cells_of, draw, real_picture
from ediffi.pictogram.grid import Grid
from ediffi.pictogram.render import Renderer
from studies.instrument import Worse, blur, jpeg, noise
from studies.style_judge import BATCH, FIT_SIDE, NOISE, Eyes, concepts_of, fit_style
from studies.style_rows import StylePrompt

LEVELS = (0, 4, NOISE, 16)  # of the noise over what a head sees; 0 is none
GRAINS = (0.5, 1, 2, 4, 8)  # of the noise in what it is asked about
RASTER = "fluent-emoji-3d"  # the one set of the grid that is no vectors


def check(grid: Grid, rows: Sequence[StylePrompt], report: Report) -> list[dict[str, Any]]:
    """For each of LEVELS and each damage, of the prompts' real drawings: how many are told right,
    and how many are taken for the set that is a raster."""
    eyes, renderer = Eyes(), Renderer(grid)
    asked, known = concepts_of(rows)
    styles = sorted({row.style for row in rows})
    cells = [c for c in cells_of(grid, known, styles) if c.hexcode not in asked]
    shown = draw(renderer, [real_picture(cell, size=FIT_SIDE, seed="style") for cell in cells])
    real = draw(renderer, [row.real(grid, FIT_SIDE) for row in rows])
    damages: dict[str, Worse] = {"as they are": lambda picture, number: picture}
    damages |= {f"noise {grain:g}": noise(grain) for grain in GRAINS}
    damages |= {"blurred by 0.5 px": blur(0.5), "JPEG 75": jpeg(75)}
    out = []
    for level in LEVELS:
        parts: list[Tensor] = []
        for start in range(0, len(shown), BATCH):
            parts.append(eyes.look(shown[start : start + BATCH], level))
            report("judges of style", len(parts[-1]), len(shown) * len(LEVELS))
        head = fit_style(torch.cat(parts), [cell.style for cell in cells])
        for name, worse in damages.items():
            looks = eyes.look([worse(p, n) for n, p in enumerate(real)], level)
            told = [best for (best,) in head.top_k(looks, 1)]
            right = sum(best == row.style for best, row in zip(told, rows, strict=True))
            out.append(
                {
                    "noise_over_all": level,
                    "pictures": name,
                    "right": right / len(rows),
                    "taken_for_raster": told.count(RASTER) / len(rows),
                }
            )
    return out


def style_check_table(found: Sequence[dict[str, Any]]) -> str:
    """Markdown: a row for each level, "right (taken for the raster)"."""
    damages = list(dict.fromkeys(row["pictures"] for row in found))
    rows = [["noise over all that it sees", *damages]]
    for level in dict.fromkeys(row["noise_over_all"] for row in found):
        cells = [
            f"{percent(row['right'])} ({percent(row['taken_for_raster'])})"
            for row in found
            if row["noise_over_all"] == level
        ]
        rows.append([str(level), *cells])
    return table(rows)
