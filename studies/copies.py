"""The protocol `copies`: are outputs copies of training drawings?

Things are cut out, laid over every training drawing,
and a picture is flagged when the nearest is nearer than held-out drawings ever come.

A model that was taught one drawing per concept *should* redraw it when asked; so the share is
given for all prompts, and whether the nearest drawing is that of the thing asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ediffi.core.types import Pixels
from ediffi.evaluate.evaluation import Evaluation
from ediffi.evaluate.record import protocol, write_record
from ediffi.evaluate.shares import share
from ediffi.pictogram.dataset import PictogramSet
from ediffi.pictogram.drawings import draw, real_picture
from ediffi.pictogram.grid import Cell, Grid
from ediffi.pictogram.render import Renderer
from studies.foreground import crop, foreground, parts, small

Vectors = NDArray[np.float32]

SIDE = 24  # pixels of the cut-outs that are compared
FALSE_ALARMS = 0.01  # share of held-out drawings nearer than the threshold
MAX_CALIBRATION = 400
# pictures of each training drawing: what is cut out depends on the background, and in the styles of
# one colour the ink does too; with one only 79 of 100 planted copies are found, with six 96
RENDERS = 6


def cut_out(picture: Pixels) -> Vectors | None:
    """The largest thing of a picture as (24 * 24 * 4,): its colours on grey, and its shape.

    None for a blank picture. Distances between such vectors are root mean squares, 0 to 1.
    """
    picture = small(picture)
    found = parts(picture)
    if not found:
        return None
    square = crop(picture, max(found, key=lambda part: part.area))
    size = (SIDE, SIDE)
    shape = foreground(square)[..., None].astype(np.float32)
    grey = square * shape + 128 * (1 - shape)
    rgb = np.asarray(Image.fromarray(grey.astype(np.uint8)).resize(size, Image.Resampling.BOX))
    cover = Image.fromarray((shape[..., 0] * 255).astype(np.uint8))
    alpha = np.asarray(cover.resize(size, Image.Resampling.BOX))
    both = np.concatenate([rgb, alpha[..., None]], -1)
    vector: Vectors = np.ravel(both).astype(np.float32) / np.float32(255)
    return vector


@dataclass(frozen=True)
class Copies:
    """Training drawings to look for, and how near is a copy.

    vectors: (N, 2304), several of each drawing; cells: N, whose they are; threshold: root mean
    square below which a picture is flagged.
    """

    vectors: Vectors
    cells: list[Cell]
    threshold: float

    @classmethod
    def of(cls, grid: Grid, concepts: Sequence[str], styles: Sequence[str]) -> Copies:
        """Training cells of these concepts and styles; the threshold is the 1 % quantile of how
        near held-out drawings of the same grid come to any training drawing of another cell."""
        renderer = Renderer(grid)
        training = [
            cell
            for cell in grid.cells.values()
            if cell.hexcode in concepts and cell.style in styles and not cell.held_out
        ]
        renders = [_drawings(renderer, training, f"copies-{number}") for number in range(RENDERS)]
        kept = [cell for cells, _ in renders for cell in cells]
        vectors = np.concatenate([vectors for _, vectors in renders])
        away = _held_out(grid, styles)[::2][:MAX_CALIBRATION]
        _, others = _drawings(renderer, away, "calibration")
        nearest = np.array([_distances(v, vectors).min() for v in others])
        return cls(vectors, kept, float(np.quantile(nearest, FALSE_ALARMS)))

    def nearest(self, picture: Pixels) -> tuple[Cell, float] | None:
        """The training drawing that the picture's largest thing is nearest to, and how near."""
        vector = cut_out(picture)
        if vector is None:
            return None
        distances = _distances(vector, self.vectors)
        best = int(distances.argmin())
        return self.cells[best], float(distances[best])

    def flags(self, picture: Pixels) -> bool:
        """Whether it is a copy."""
        found = self.nearest(picture)
        return found is not None and found[1] < self.threshold


def run(evaluation: Evaluation) -> dict[str, Any]:
    """Draw the evaluation's prompts, look for copies in the pictures of one thing, and write
    `copies.json` to the subject's folder."""
    data, subject, asked = evaluation.data, evaluation.subject, evaluation.asked
    assert isinstance(data, PictogramSet)
    copies = Copies.of(data.grid, data.concepts, data.styles)
    what = f"pictures, guidance {evaluation.shipped_guidance:g}"
    gallery = subject.draw_prompts(
        what, asked.captions, evaluation.stage, evaluation.shipped_guidance
    )
    rows = [row for row, labels in enumerate(asked.labels) if labels.concept]
    found = [copies.nearest(gallery.picture(row)) for row in rows]
    flagged = [f is not None and f[1] < copies.threshold for f in found]
    own = [
        f is not None and f[0].hexcode == asked.labels[row].concept
        for f, row in zip(found, rows, strict=True)
    ]
    others = [f and not o for f, o in zip(flagged, own, strict=True)]
    distances = [f[1] for f in found if f is not None]
    results = {
        "protocol": {"name": "copies", **protocol(evaluation)},
        "figures": {
            "training_drawings": len(set(copies.cells)),
            "threshold_rms": copies.threshold,
            "flagged": share(flagged),
            "flagged_and_not_the_thing_asked_for": share(others),
            "nearest_is_the_thing_asked_for": share(own),
            "median_rms": float(np.median(distances)) if distances else None,
        },
    }
    write_record(subject.folder / "copies.json", results)
    return results


def planted(grid: Grid, copies: Copies, size: int, num: int = 100) -> list[Pixels]:
    """Training drawings at other places, on other backgrounds: copies that must be flagged."""
    cells = list(dict.fromkeys(copies.cells))
    chosen = [cells[i * len(cells) // num] for i in range(num)]
    rows = [real_picture(cell, size=size, seed="planted") for cell in chosen]
    return draw(Renderer(grid), rows)


def strangers(grid: Grid, styles: Sequence[str], size: int, num: int = 100) -> list[Pixels]:
    """Held-out drawings that the threshold was not fitted on: no copies, so they must not be
    flagged."""
    away = _held_out(grid, styles)[1::2]
    chosen = away[:: max(1, len(away) // num)][:num]
    return draw(Renderer(grid), [real_picture(c, size=size, seed="stranger") for c in chosen])


def _held_out(grid: Grid, styles: Sequence[str]) -> list[Cell]:
    """Held-out cells of these styles, or of all if there are fewer than forty."""
    away = [cell for cell in grid.cells.values() if cell.held_out]
    own = [cell for cell in away if cell.style in styles]
    return own if len(own) >= 40 else away


def _drawings(renderer: Renderer, cells: Sequence[Cell], seed: str) -> tuple[list[Cell], Vectors]:
    """Cells that can be cut out of a 64 px picture, and their vectors (N, 2304)."""
    kept, vectors = [], []
    for cell in cells:
        vector = cut_out(draw(renderer, [real_picture(cell, size=64, seed=seed)])[0])
        if vector is not None:
            kept.append(cell)
            vectors.append(vector)
    return kept, np.stack(vectors)


def _distances(vector: Vectors, others: Vectors) -> Vectors:
    out: Vectors = np.sqrt(((others - vector) ** 2).mean(1))
    return out
