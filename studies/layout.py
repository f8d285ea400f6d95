"""The protocol `layout`: is each thing where it was painted?

On fixed layouts of two and three things, drawn by the base alone, which decides the layout. The
protocol's columns: no painting, ours (with the sketch's layers placed), the paper's form, its
variant by standard deviations, ours with maps of other layouts (null), and the real drawings on the
same places (ceiling); and on the first of the layouts a sweep over the weight. Beside them, how
often a thing is right when it is drawn alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ediffi.core.errors import UserError
from ediffi.core.types import Pixels
from ediffi.evaluate.features import EfficientNetLite0
from ediffi.evaluate.gallery import Order, Subject
from ediffi.evaluate.record import write_record
from ediffi.evaluate.report import percent, table
from ediffi.paint import DEFAULT_WEIGHT
from ediffi.pictogram.grid import Grid
from studies.colours import BACKGROUND_RADIUS
from studies.layout_bench import Bench, aims, alone, painted, shuffled, unpainted
from studies.layout_rows import Layout
from studies.placement import CANDIDATES, MARGIN
from studies.reference import Reference, fit_judge, judged_by
from studies.rows import AnyList, list_facts
from studies.sheets import save_sheet

CHOSEN = {
    "ours 0.5": ("ours", DEFAULT_WEIGHT),
    "paper 0.5": ("paper", DEFAULT_WEIGHT),
    "std 1": ("std", 1.0),
}
"""The main columns: form of painting and weight."""
SWEEP = {
    f"{form} {weight:g}": (form, weight)
    for form, weights in (
        ("ours", (0.125, 2.0)),
        ("paper", (0.125, 0.25, 1.0, 2.0)),
        ("std", (0.5, 2.0)),
    )
    for weight in weights
}
SWEPT = 54  # layouts that the sweep draws: 18 of each kind of region, 18 with three things
MIN_CONCEPTS = 5  # among which the judge is tested on its five likeliest
NUM_SHEET, SHOWN = 16, 128  # layouts, pixels of a side
COLOURS = ((230, 60, 60), (60, 90, 230), (60, 180, 90))


def run(subject: Subject, layouts: AnyList, grid: Grid) -> dict[str, Any]:
    """Draw, measure, and write `layout.json` and `layout.webp` to the subject's folder."""
    rows, side = Layout.read(layouts), subject.base_side
    hexcodes = sorted({thing.hexcode for row in rows for thing in row.things})
    if len(hexcodes) < MIN_CONCEPTS:
        raise UserError(f"{layouts}: the judge needs at least {MIN_CONCEPTS} different things")
    full = {name: subject.draw(name, order) for name, order in _columns(rows, side).items()}
    singles, few = subject.draw("single", alone(rows, side)), rows[:SWEPT]
    swept = {
        name: subject.draw(name, painted(few, side, form, weight))
        for name, (form, weight) in sorted(SWEEP.items())
    }
    reference, extractor = Reference(grid), EfficientNetLite0()
    tell = subject.tell("fitting the judge", 1)
    judge, _ = fit_judge(reference, hexcodes, extractor)
    tell(1)
    bench = Bench(rows, judge, extractor, subject.report)
    real, real_folder = bench.real(reference.composer, side, subject.folder / "pictures")
    columns = {name: bench.figures(name, list(g), g.folder) for name, g in full.items()}
    columns["composer"] = bench.figures("composer", real, real_folder)
    part, single = replace(bench, rows=few), bench.single(singles)
    results: dict[str, Any] = {
        "protocol": _protocol(subject, rows) | list_facts(layouts) | judged_by(grid, extractor),
        "chance": bench.chance,
        "single": single,
        "columns": columns,
        "sweep": {name: part.figures(name, list(g), g.folder) for name, g in swept.items()},
        "aims": {form: aims(single, columns[form], columns["composer"]) for form in CHOSEN},
    }
    write_record(subject.folder / "layout.json", results)
    shown = {name: list(full[name]) for name in ("none", next(iter(CHOSEN)))} | {"composer": real}
    _sheet(subject.folder / "layout.webp", rows, shown)
    return results


def _columns(rows: Sequence[Layout], side: int) -> dict[str, Order]:
    """What is drawn of all layouts."""
    maps = {name: painted(rows, side, form, weight) for name, (form, weight) in CHOSEN.items()}
    null = painted(rows, side, "ours", DEFAULT_WEIGHT, like=tuple(shuffled(rows)))
    return {"none": unpainted(rows, side), **maps, "shuffled": null}


def _protocol(subject: Subject, rows: Sequence[Layout]) -> dict[str, Any]:
    return {
        "name": "layout",
        **subject.facts(subject.base_side),
        "num_layouts": len(rows),
        "num_things": sum(len(row.things) for row in rows),
        "judged": f"each region's square with a margin of {MARGIN - 1:.0%}, bicubic to 224 px",
        "candidates": CANDIDATES,
        "foreground": f"Delta E above {BACKGROUND_RADIUS:g} from the border's median colour",
        "shuffled": f"maps of the layout half the list further, weight {DEFAULT_WEIGHT:g}",
        "single": "first thing of each layout, alone, nothing painted, whole picture judged",
        "sweep": f"the first {min(SWEPT, len(rows))} layouts",
    }


def layout_table(results: dict[str, Any]) -> str:
    """Figures as Markdown, a row a column of the protocol, and what is to be reached."""
    rows = [["pictures", "right thing in its region", "all of a layout", "IoU with the painted"]]
    for name, column in (*results["columns"].items(), *results["sweep"].items()):
        both = [percent(column[what]["share"]) for what in ("right", "all_right")]
        number = column["all_right"]["pictures"]
        rows.append([f"{name} ({number})", *both, f"{column['iou']:.3f}"])
    rows.append(["one thing alone", percent(results["single"]["share"]), "-", "-"])
    chance = percent(results["chance"])
    lines = [
        f"{name}: right {percent(aim['right_of_single'])} as often as a thing alone "
        f"(aim {percent(aim['right_aim'])}), IoU {percent(aim['iou_of_ceiling'])} of the real "
        f"drawings' (aim {percent(aim['iou_aim'])}); chance {chance}"
        for name, aim in results["aims"].items()
    ]
    return "\n\n".join([table(rows), *lines])


def _map(row: Layout, side: int) -> Pixels:
    """The layout as a colour map, its things in the order of the prompt: red, blue, green."""
    image = Image.new("RGB", (side, side), "white")
    for thing, colour in zip(row.things, COLOURS, strict=False):
        mask = Image.fromarray((255 * thing.mask()).astype(np.uint8)).resize((side, side))
        image.paste(colour, (0, 0), mask)
    return np.asarray(image)


def _sheet(path: Path, rows: Sequence[Layout], pictures: dict[str, list[Pixels]]) -> None:
    """The first layouts: the map, and the picture of each column."""
    shown: list[Pixels] = []
    captions: list[str] = []
    for number, row in enumerate(rows[:NUM_SHEET]):
        shown += [_map(row, SHOWN), *(column[number] for column in pictures.values())]
        captions += [f"{row.prompt} (seed {row.seed})", *pictures]
    save_sheet(path, shown, captions, side=SHOWN, columns=2 * (1 + len(pictures)))
