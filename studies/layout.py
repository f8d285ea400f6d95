"""The protocol `layout`: is each thing where it was painted?

On fixed layouts of two and three things, drawn by the base alone, which decides the layout. The
protocol's columns: no painting, ours (with the sketch's layers placed), the paper's form, its
variant by standard deviations, ours with maps of other layouts (null), and the real drawings on the
same places (ceiling); and on the first of the layouts a sweep over the weight. Beside them, how
often a thing is right when it is drawn alone.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ediffi.core.errors import UserError
from ediffi.core.files import write_atomically
from ediffi.evaluate.colours import BACKGROUND_RADIUS
from ediffi.evaluate.extractor import EfficientNetLite0
from ediffi.evaluate.gallery import DTYPE, Gallery, Open, Order
from ediffi.evaluate.layout import Bench, aims, alone, painted, shuffled, unpainted
from ediffi.evaluate.layouts import Layout, read_layouts
from ediffi.evaluate.pictures import Picture, Report
from ediffi.evaluate.placement import CANDIDATES, MARGIN
from ediffi.model import Cascade
from ediffi.paint import DEFAULT_WEIGHT
from ediffi.pictogram.grid import Grid
from ediffi.pictogram.sheet import contact_sheet
from studies.reference import Reference, fit_judge, shared_facts

VARIANT_WEIGHT = 1.0
SWEEP: dict[str, tuple[float, ...]] = {
    "ours": (0.125, 2.0),
    "paper": (0.125, 0.25, 1.0, 2.0),
    "std": (0.5, 2.0),
}


SWEPT = 54  # layouts that the sweep draws: 18 of each kind of region, 18 with three things
MIN_CONCEPTS = 5  # among which the judge is tested on its five likeliest
NUM_SHEET = 16
COLOURS = ((230, 60, 60), (60, 90, 230), (60, 180, 90))


def run(
    cascade: Cascade,
    layouts_file: Path | Traversable,
    out_dir: Path,
    *,
    open_cascade: Open | None = None,
    processes: int = 1,
    grid: Grid | None = None,
    report: Report = lambda what, more, total: None,
) -> dict[str, Any]:
    """Draw, measure, and write `layout.json` and `layout.webp` to `out_dir`.

    Pictures and features are kept in out_dir/pictures-layout: running it again goes on.
    open_cascade: opens the same model in each of several processes.
    """
    rows = read_layouts(layouts_file)
    side, partners = cascade.config.stages[0].resolution, tuple(shuffled(rows))
    hexcodes = sorted({thing.hexcode for row in rows for thing in row.things})
    if len(hexcodes) < MIN_CONCEPTS:
        raise UserError(f"{layouts_file}: the judge needs at least {MIN_CONCEPTS} different things")
    grid, folder = grid or Grid.load(), out_dir / "pictures-layout"
    opened = open_cascade if open_cascade and processes > 1 else lambda: cascade

    def draw(name: str, order: Order) -> Gallery:
        gallery = Gallery(folder, order, cascade)
        tell = partial(_tell, report, name, len(gallery))
        gallery.draw(opened, processes=processes, report=tell)
        return gallery

    chosen = {"ours": DEFAULT_WEIGHT, "paper": DEFAULT_WEIGHT, "std": VARIANT_WEIGHT}
    maps = {
        f"{form} {weight:g}": painted(rows, side, form, weight) for form, weight in chosen.items()
    }
    ours, *_ = forms = tuple(maps)
    null = painted(rows, side, "ours", DEFAULT_WEIGHT, like=partners)
    orders = {"none": unpainted(rows, side), **maps, "shuffled": null}
    full = {name: draw(name, order) for name, order in orders.items()}
    singles, few = draw("single", alone(rows, side)), rows[:SWEPT]
    swept = {
        (form, weight): draw(f"{form} {weight:g}", painted(few, side, form, weight))
        for form, weights in SWEEP.items()
        for weight in weights
    }
    reference, extractor = Reference(grid), EfficientNetLite0(channels_last=True)
    report("fitting the judge", 0, 1)
    judge, _ = fit_judge(reference, hexcodes, extractor)
    report("fitting the judge", 1, 1)
    bench = Bench(rows, judge, extractor, report)
    real, real_folder = bench.real(reference.composer, side, folder)
    columns = {name: bench.figures(name, list(g), g.folder) for name, g in full.items()}
    columns["composer"] = bench.figures("composer", real, real_folder)
    part = replace(bench, rows=few)
    digest = hashlib.sha256(layouts_file.read_bytes()).hexdigest()
    results: dict[str, Any] = {
        "protocol": _protocol(cascade, rows, grid, extractor)
        | {"layouts": layouts_file.name, "layouts_sha256": digest},
        "chance": bench.chance,
        "single": bench.single(singles),
        "columns": columns,
        "sweep": {
            f"{form} {weight:g}": part.figures(f"{form} {weight:g}", list(gallery), gallery.folder)
            for (form, weight), gallery in sorted(swept.items())
        },
    }
    results["aims"] = {n: aims(results["single"], columns[n], columns["composer"]) for n in forms}
    write_atomically(out_dir / "layout.json", (json.dumps(results, indent=2) + "\n").encode())
    shown = {name: list(full[name]) for name in ("none", ours)} | {"composer": real}
    _sheet(out_dir / "layout.webp", rows, shown)
    return results


def _tell(report: Report, what: str, total: int, more: int) -> None:
    report(what, more, total)


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
        "sweep": f"the first {min(SWEPT, len(rows))} layouts",
    }


def _map(row: Layout, side: int) -> Picture:
    """The layout as a colour map, its things in the order of the prompt: red, blue, green."""
    image = Image.new("RGB", (side, side), "white")
    for thing, colour in zip(row.things, COLOURS, strict=False):
        mask = Image.fromarray((255 * thing.mask()).astype(np.uint8)).resize((side, side))
        image.paste(colour, (0, 0), mask)
    return np.asarray(image)


def _sheet(path: Path, rows: Sequence[Layout], pictures: dict[str, list[Picture]]) -> None:
    """The first layouts: the map, and the picture of each column."""
    shown, side = [], 128
    captions: list[str] = []
    for number, row in enumerate(rows[:NUM_SHEET]):
        shown.append(_map(row, side))
        for column in pictures.values():
            small = Image.fromarray(column[number])
            shown.append(np.asarray(small.resize((side, side), Image.Resampling.NEAREST)))
        captions += [f"{row.prompt} (seed {row.seed})", *pictures]
    file = io.BytesIO()
    sheet = contact_sheet(shown, captions, columns=2 * (1 + len(pictures)))
    sheet.save(file, "WEBP", quality=85, method=6)
    write_atomically(path, file.getvalue())
