"""The protocol `layout`: is each thing where it was painted?

On fixed layouts of two and three things: is the right thing in its region, by a judge and against
distractors; and how well does what is drawn cover what was painted (IoU)? Columns: no painting,
the paper's form over a sweep of its weight, its variant by standard deviations, maps of other
layouts (null), and the real drawings on the same places (ceiling). Drawn by the base alone, which
decides the layout.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Sequence
from importlib.resources.abc import Traversable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from ediffi.cascade import Cascade
from ediffi.data.captions import article
from ediffi.data.grid import Grid
from ediffi.data.sheet import contact_sheet
from ediffi.errors import UserError
from ediffi.evaluate.colours import BACKGROUND_RADIUS, border_colour, distance, to_lab
from ediffi.evaluate.extractor import SIDE as JUDGED_SIDE
from ediffi.evaluate.extractor import EfficientNetLite0
from ediffi.evaluate.judge import ConceptJudge
from ediffi.evaluate.layouts import Box, Layout, read_layouts
from ediffi.evaluate.pictures import Picture, Report, drawn
from ediffi.evaluate.reference import Reference, fit_judge, shared_facts
from ediffi.files import write_atomically
from ediffi.paint import DEFAULT_WEIGHT, RegionForm
from ediffi.pixels import from_uint8

PAPER, VARIANT = RegionForm(), RegionForm("std", "sigma-squared")
SWEEP = (0.125, 0.25, 0.5, 1.0, 2.0)
VARIANT_SWEEP = (0.5, 1.0)
MIN_CONCEPTS = 5  # among which the judge is tested on its five likeliest
CANDIDATES = 10  # what the judge chooses from: the right thing, the layout's others, strangers
MARGIN = 1.1  # side of what the judge is shown of a region, by the longer side of the region
NUM_SHEET = 16
DTYPE = torch.bfloat16
BATCH = 16
COLOURS = ((230, 60, 60), (60, 90, 230), (60, 180, 90))


def run(
    cascade: Cascade,
    layouts_file: Path | Traversable,
    out_dir: Path,
    *,
    grid: Grid | None = None,
    report: Report = lambda what, more, total: None,
) -> dict[str, Any]:
    """Draw, measure, and write `layout.json` and `layout.webp` to `out_dir`.

    Pictures are kept in out_dir/layouts-<model's hash>-<list's hash>: running it again goes on.
    """
    rows = read_layouts(layouts_file)
    partners = shuffled(rows)
    hexcodes = sorted({thing.hexcode for row in rows for thing in row.things})
    if len(hexcodes) < MIN_CONCEPTS:
        raise UserError(f"{layouts_file}: the judge needs at least {MIN_CONCEPTS} different things")
    grid = grid or Grid.load()
    reference, extractor = Reference(grid), EfficientNetLite0()
    digest = hashlib.sha256(layouts_file.read_bytes()).hexdigest()
    folder = out_dir / f"layouts-{(cascade.hash or 'unsaved')[:12]}-{digest[:12]}"
    pictures = {
        name: _draw(cascade, rows, how, folder / name.replace(" ", "-"), report)
        for name, how in _columns(rows, partners).items()
    }
    side = cascade.config.stages[0].resolution
    pictures["composer"] = [reference.composer.render(row.scene(grid), side) for row in rows]
    singles = _draw_singles(cascade, rows, folder / "single", report)
    report("judge", 0, 1)
    judge, _ = fit_judge(reference, hexcodes, extractor)
    report("judge", 1, 1)
    seen = {name: _features(extractor, images, rows) for name, images in pictures.items()}
    own, strangers = _answers(rows), candidates(rows, hexcodes)
    alone = extractor(_enlarged(singles))
    first = [sum(len(row.things) for row in rows[:n]) for n in range(len(rows))]
    chance = float(np.mean([1 / len(choice) for choice in strangers]))
    results: dict[str, Any] = {
        "protocol": _protocol(cascade, rows, grid, extractor)
        | {"layouts": layouts_file.name, "layouts_sha256": digest},
        "chance": chance,
        "single": _share(
            right(judge, alone, [own[n] for n in first], [strangers[n] for n in first])
        ),
        "columns": {
            name: _measure(rows, images, right(judge, seen[name], own, strangers))
            for name, images in pictures.items()
        },
    }
    write_atomically(out_dir / "layout.json", (json.dumps(results, indent=2) + "\n").encode())
    _sheet(out_dir / "layout.webp", rows, pictures)
    return results


def shuffled(rows: Sequence[Layout]) -> list[Layout]:
    """For every layout another one with as many things, half of those further on."""
    partners = list(rows)
    for count in {len(row.things) for row in rows}:
        same = [n for n, row in enumerate(rows) if len(row.things) == count]
        if len(same) < 2:
            raise UserError(f"one layout with {count} things: the null needs at least two")
        for place, number in enumerate(same):
            partners[number] = rows[same[(place + len(same) // 2) % len(same)]]
    return partners


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
    judge: ConceptJudge, features: Tensor, own: Sequence[str], choices: Sequence[Sequence[str]]
) -> list[bool]:
    """Whether the likeliest of each picture's candidates is the right one."""
    ranked = judge.top_k(features, len(judge.labels))
    best = [
        next(h for h in order if h in choice) for order, choice in zip(ranked, choices, strict=True)
    ]
    return [a == b for a, b in zip(best, own, strict=True)]


def cut(picture: Picture, box: Box) -> Picture:
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


def overlap(picture: Picture, painted: np.ndarray) -> float:
    """Intersection over union of what differs from the background and what is painted."""
    thing = distance(to_lab(picture), to_lab(border_colour(picture))) > BACKGROUND_RADIUS
    small = torch.from_numpy(painted)[None, None]
    mask = F.interpolate(small, thing.shape, mode="area")[0, 0].numpy() > 0.5
    return float((thing & mask).sum() / max((thing | mask).sum(), 1))


Column = Callable[[int], Any]
"""The painting of a row, by its number."""


def _columns(rows: Sequence[Layout], partners: Sequence[Layout]) -> dict[str, Column]:
    def paper(weight: float) -> Column:
        return lambda n: rows[n].painting(weight, PAPER)

    def variant(weight: float) -> Column:
        return lambda n: rows[n].painting(weight, VARIANT)

    return {
        "none": lambda n: None,
        **{f"paper {weight:g}": paper(weight) for weight in SWEEP},
        **{f"std {weight:g}": variant(weight) for weight in VARIANT_SWEEP},
        "shuffled": lambda n: rows[n].painting(DEFAULT_WEIGHT, PAPER, like=partners[n]),
    }


def _draw(
    cascade: Cascade, rows: Sequence[Layout], how: Column, folder: Path, report: Report
) -> list[Picture]:
    return drawn(
        folder,
        len(rows),
        lambda numbers: cascade.generate(
            [rows[n].prompt for n in numbers],
            seeds=[rows[n].seed for n in numbers],
            regions=[how(n) for n in numbers],
            stop_at=cascade.config.stages[0].resolution,
            dtype=DTYPE,
        ),
        batch=BATCH,
        on_done=lambda more: report(folder.name, more, len(rows)),
    )


def _draw_singles(
    cascade: Cascade, rows: Sequence[Layout], folder: Path, report: Report
) -> list[Picture]:
    """The first thing of every layout alone, nothing painted: how well can it be drawn at all?"""

    def prompt(row: Layout) -> str:
        label = row.prompt[slice(*row.things[0].span)]
        return f"{article(label)} on {article(f'{row.background} background')}"

    return drawn(
        folder,
        len(rows),
        lambda numbers: cascade.generate(
            [prompt(rows[n]) for n in numbers],
            seeds=[rows[n].seed for n in numbers],
            stop_at=cascade.config.stages[0].resolution,
            dtype=DTYPE,
        ),
        batch=BATCH,
        on_done=lambda more: report(folder.name, more, len(rows)),
    )


def _features(
    extractor: EfficientNetLite0, pictures: Sequence[Picture], rows: Sequence[Layout]
) -> Tensor:
    """Of every region of every layout, in order."""
    return extractor(
        _enlarged(
            [
                cut(picture, thing.box)
                for picture, row in zip(pictures, rows, strict=True)
                for thing in row.things
            ]
        )
    )


def _enlarged(pictures: Sequence[Picture]) -> Tensor:
    size = (JUDGED_SIDE, JUDGED_SIDE)
    resized = [
        F.interpolate(from_uint8([p]), size, mode="bicubic", antialias=True) for p in pictures
    ]
    return torch.cat(resized)


def _answers(rows: Sequence[Layout]) -> list[str]:
    return [thing.hexcode for row in rows for thing in row.things]


def _measure(
    rows: Sequence[Layout], pictures: Sequence[Picture], hits: Sequence[bool]
) -> dict[str, Any]:
    """right: share of things, in all and by number of things and kind of region; all_right: share
    of layouts; iou: mean."""
    left = iter(hits)
    by_row = [[next(left) for _ in row.things] for row in rows]
    groups: dict[str, list[bool]] = {}
    for row, found in zip(rows, by_row, strict=True):
        for group in (f"{len(row.things)} things", row.things[0].kind):
            groups.setdefault(group, []).extend(found)
    overlaps = [overlap(p, row.painted()) for p, row in zip(pictures, rows, strict=True)]
    return {
        "right": _share(hits),
        "all_right": _share(all(found) for found in by_row),
        "right_by": {group: _share(found) for group, found in sorted(groups.items())},
        "iou": float(np.mean(overlaps)),
    }


def _protocol(
    cascade: Cascade, rows: Sequence[Layout], grid: Grid, extractor: EfficientNetLite0
) -> dict[str, Any]:
    stage = cascade.config.stages[0]
    return {
        "name": "layout",
        **shared_facts(cascade, grid, extractor, DTYPE),
        "images_seen": stage.images_seen,
        "resolution": stage.resolution,
        "sampling": stage.sampling.model_dump(),
        "num_layouts": len(rows),
        "num_things": sum(len(row.things) for row in rows),
        "judged": f"each region's square with a margin of {MARGIN - 1:.0%}, bicubic to 224 px",
        "candidates": CANDIDATES,
        "foreground": f"Delta E above {BACKGROUND_RADIUS:g} from the border's median colour",
        "shuffled": f"maps of the layout half the list further, weight {DEFAULT_WEIGHT:g}",
        "single": "first thing of each layout, alone, nothing painted, whole picture judged",
    }


def _share(answers: Any) -> float:
    return float(np.mean(list(answers)))


def _map(row: Layout, side: int) -> Picture:
    """The layout as a colour map, its things in the order of the prompt: red, blue, green."""
    image = Image.new("RGB", (side, side), "white")
    for thing, colour in zip(row.things, COLOURS, strict=False):
        mask = Image.fromarray((255 * thing.mask()).astype(np.uint8)).resize((side, side))
        image.paste(colour, (0, 0), mask)
    return np.asarray(image)


def _sheet(path: Path, rows: Sequence[Layout], pictures: dict[str, list[Picture]]) -> None:
    """The first layouts: map, nothing painted, the default weight, the composer's."""
    shown, side = [], 128
    captions: list[str] = []
    names = ("none", f"paper {DEFAULT_WEIGHT:g}", "composer")
    for number, row in enumerate(rows[:NUM_SHEET]):
        shown += [_map(row, side)]
        for name in names:
            small = Image.fromarray(pictures[name][number])
            shown.append(np.asarray(small.resize((side, side), Image.Resampling.NEAREST)))
        captions += [f"{row.prompt} (seed {row.seed})", *names]
    file = io.BytesIO()
    contact_sheet(shown, captions, columns=8).save(file, "WEBP", quality=85, method=6)
    write_atomically(path, file.getvalue())
