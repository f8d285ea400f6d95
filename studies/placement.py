"""Is each thing in the region that was painted for it? By a judge that is shown the region alone
and chooses among distractors; and by how well what is drawn covers what is painted."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ediffi.core.types import Pixels
from ediffi.evaluate.heads import LinearHead
from ediffi.evaluate.shares import share
from ediffi.pictogram.lab import distance, to_lab
from studies.colours import BACKGROUND_RADIUS, border_colour
from studies.layout_rows import Box, Layout

CANDIDATES = 10  # what the judge chooses from: the right thing, the layout's others, strangers
MARGIN = 1.1  # side of what the judge is shown of a region, by the longer side of the region


def candidates(rows: Sequence[Layout], hexcodes: Sequence[str]) -> list[list[str]]:
    """For every thing of every layout, what the judge chooses from."""
    out = []
    for row in rows:
        inside = [thing.hexcode for thing in row.things]
        strangers = [hexcode for hexcode in hexcodes if hexcode not in inside]
        num = min(CANDIDATES - len(inside), len(strangers))
        choice = inside + Random(f"layout:{row.seed}").sample(strangers, num)
        out += [choice] * len(inside)
    return out


def right(
    judge: LinearHead, features: Tensor, own: Sequence[str], choices: Sequence[Sequence[str]]
) -> list[bool]:
    """Whether the likeliest of each picture's candidates is the right one."""
    ranked = judge.top_k(features, len(judge.labels))
    best = [
        next(h for h in order if h in choice) for order, choice in zip(ranked, choices, strict=True)
    ]
    return [a == b for a, b in zip(best, own, strict=True)]


def cut(picture: Pixels, box: Box) -> Pixels:
    """A region's square, with the background's colour where it leaves the canvas."""
    side = picture.shape[0]
    left, top, right, bottom = box
    length = round(MARGIN * side * max(right - left, bottom - top))
    x = round(side * (left + right) / 2 - length / 2) + length
    y = round(side * (top + bottom) / 2 - length / 2) + length
    wide = np.empty((side + 2 * length, side + 2 * length, 3), np.uint8)
    wide[:] = border_colour(picture)
    wide[length:-length, length:-length] = picture
    return wide[y : y + length, x : x + length]


def overlap(picture: Pixels, painted: np.ndarray) -> float:
    """Intersection over union of what differs from the background and what is painted."""
    thing = distance(to_lab(picture), to_lab(border_colour(picture))) > BACKGROUND_RADIUS
    small = torch.from_numpy(painted)[None, None]
    mask = F.interpolate(small, thing.shape, mode="area")[0, 0].numpy() > 0.5
    return float((thing & mask).sum() / max((thing | mask).sum(), 1))


def measure(
    rows: Sequence[Layout], pictures: Sequence[Pixels], hits: Sequence[bool]
) -> dict[str, Any]:
    """Figures of a picture of each layout; hits: of each thing, as `right` gives them.

    right: share of things, in all and by number of things and kind of region; all_right: share of
    layouts; iou: mean.
    """
    left = iter(hits)
    by_row = [[next(left) for _ in row.things] for row in rows]
    groups: dict[str, list[bool]] = {}
    for row, found in zip(rows, by_row, strict=True):
        for group in (f"{len(row.things)} things", row.things[0].kind):
            groups.setdefault(group, []).extend(found)
    overlaps = [overlap(p, row.painted()) for p, row in zip(pictures, rows, strict=True)]
    return {
        "right": share([hit for found in by_row for hit in found]),
        "all_right": share([all(found) for found in by_row]),
        "right_by": {group: share(found) for group, found in sorted(groups.items())},
        "iou": float(np.mean(overlaps)),
    }
