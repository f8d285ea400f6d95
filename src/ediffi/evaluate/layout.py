"""The protocol and the metric `layout`: is each thing where it was painted?

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
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ediffi.cascade import Cascade
from ediffi.data.captions import article
from ediffi.data.grid import Grid
from ediffi.data.render import Renderer
from ediffi.data.sheet import contact_sheet
from ediffi.errors import UserError
from ediffi.evaluate.colours import BACKGROUND_RADIUS
from ediffi.evaluate.extractor import EfficientNetLite0, Extractor
from ediffi.evaluate.gallery import DTYPE, Gallery, Open, Order, kept_features
from ediffi.evaluate.layouts import LAYOUTS, Layout, read_layouts
from ediffi.evaluate.pictures import Picture, Report
from ediffi.evaluate.placement import CANDIDATES, MARGIN, Ranks, candidates, cut, measure, right
from ediffi.evaluate.real import enlarged
from ediffi.evaluate.reference import Reference, fit_judge, shared_facts
from ediffi.evaluate.scores import share
from ediffi.files import write_atomically
from ediffi.paint import DEFAULT_WEIGHT, RegionForm

if TYPE_CHECKING:
    from ediffi.evaluate.evaluation import Context

FORMS = {
    "ours": RegionForm(),
    "paper": RegionForm(placed=False),
    "std": RegionForm("std", "sigma-squared", placed=False),
}
VARIANT_WEIGHT = 1.0
SWEEP: dict[str, tuple[float, ...]] = {
    "ours": (0.125, 2.0),
    "paper": (0.125, 0.25, 1.0, 2.0),
    "std": (0.5, 2.0),
}
SWEPT = 54  # layouts that the sweep draws: 18 of each kind of region, 18 with three things
NUM_METRIC = 54
MIN_CONCEPTS = 5  # among which the judge is tested on its five likeliest
RIGHT_AIM, IOU_AIM = 0.85, 0.75  # of the rate for things alone, and of the ceiling
NUM_SHEET = 16
COLOURS = ((230, 60, 60), (60, 90, 230), (60, 180, 90))


@dataclass(frozen=True)
class Painted(Order):
    """An order of layouts with their regions painted. like: whose maps, if not their own."""

    layouts: tuple[Layout, ...] = ()
    weight: float = DEFAULT_WEIGHT
    form: RegionForm = FORMS["ours"]
    like: tuple[Layout, ...] | None = None

    def options(self, numbers: Sequence[int]) -> dict[str, Any]:
        """See `Order.options`."""
        maps = self.like or self.layouts
        regions = [self.layouts[n].painting(self.weight, self.form, like=maps[n]) for n in numbers]
        return super().options(numbers) | {"regions": regions}


def painted(
    rows: Sequence[Layout], stage: int, form: str, weight: float, **options: Any
) -> Painted:
    """Layouts painted in one of FORMS, with a weight."""
    prompts = vars(unpainted(rows, stage))
    return Painted(**prompts, layouts=tuple(rows), weight=weight, form=FORMS[form], **options)


def unpainted(rows: Sequence[Layout], stage: int) -> Order:
    """Their prompts alone."""
    prompts, seeds = tuple(row.prompt for row in rows), tuple(row.seed for row in rows)
    return Order(prompts, seeds, stage, looks=False)  # what differs is to be the painting


def alone(rows: Sequence[Layout], stage: int) -> Order:
    """The first thing of every layout alone, nothing painted: how well can it be drawn at all?"""

    def prompt(row: Layout) -> str:
        label = row.prompt[slice(*row.things[0].span)]
        return f"{article(label)} on {article(f'{row.background} background')}"

    return replace(unpainted(rows, stage), prompts=tuple(prompt(row) for row in rows))


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


@dataclass(frozen=True)
class Bench:
    """Layouts, and what looks at pictures of them."""

    rows: Sequence[Layout]
    judge: Ranks
    extractor: Extractor
    report: Report

    @property
    def own(self) -> list[str]:
        return [thing.hexcode for row in self.rows for thing in row.things]

    @property
    def choices(self) -> list[list[str]]:
        return candidates(self.rows, sorted(set(self.own)))

    @property
    def chance(self) -> float:
        return float(np.mean([1 / len(choice) for choice in self.choices]))

    def figures(self, name: str, pictures: Sequence[Picture], folder: Path) -> dict[str, Any]:
        """Of a picture of each layout; folder: where features of regions are kept."""
        regions = [(n, thing.box) for n, row in enumerate(self.rows) for thing in row.things]

        def shown(numbers: Sequence[int]) -> Tensor:
            squares = [cut(pictures[n], box) for n, box in (regions[i] for i in numbers)]
            return torch.cat([enlarged([square], self.extractor.side) for square in squares])

        def tell(more: int) -> None:
            self.report(f"judging {name}", more, len(regions))

        kept = folder / f"regions-{self.extractor.hash[:12]}.safetensors"
        features = kept_features(kept, self.extractor, len(regions), shown, tell)
        return measure(self.rows, pictures, right(self.judge, features, self.own, self.choices))

    def real(self, renderer: Renderer, side: int, folder: Path) -> tuple[list[Picture], Path]:
        """The real drawings on the layouts' places, and a folder of their own."""
        pictures = [renderer.render(row.scene(renderer.grid), side) for row in self.rows]
        digest = hashlib.sha256(b"".join(picture.tobytes() for picture in pictures)).hexdigest()
        return pictures, folder / f"real-{digest[:16]}"

    def single(self, gallery: Gallery) -> dict[str, Any]:
        """How often the first things are right alone, the whole picture shown."""
        features = gallery.features(
            self.extractor, lambda more: self.report("judging single", more, len(gallery))
        )
        first = [sum(len(row.things) for row in self.rows[:n]) for n in range(len(self.rows))]
        own, choices = self.own, self.choices
        answers = right(self.judge, features, [own[n] for n in first], [choices[n] for n in first])
        return share(answers)


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


def layout_scores(context: Context) -> dict[str, Any]:
    """The metric `layout`: the protocol's main columns on the first layouts that the model's judges
    know, at the pictures' size."""
    rows = _known(context)[:NUM_METRIC]
    rows = [row for row in rows if Counter(len(r.things) for r in rows)[len(row.things)] > 1]
    facts = {
        "layouts_sha256": hashlib.sha256(LAYOUTS.read_bytes()).hexdigest(),
        "layouts": len(rows),
    }
    if not rows:
        return facts | {"columns": {}}
    side, partners = context.stage, tuple(shuffled(rows))
    orders = {
        "none": unpainted(rows, side),
        "painted": painted(rows, side, "ours", DEFAULT_WEIGHT),
        "shuffled": painted(rows, side, "ours", DEFAULT_WEIGHT, like=partners),
    }
    galleries = {name: context.draw_order(f"layout, {name}", o) for name, o in orders.items()}
    single = context.draw_order("layout, single", alone(rows, side))
    bench = Bench(rows, context.judges.concept, context.judges.extractor, context.report)
    columns = {name: bench.figures(name, list(g), g.folder) for name, g in galleries.items()}
    real, folder = bench.real(context.data.composer, side, context.folder / "pictures")
    columns["real"] = bench.figures("real", real, folder)
    rate = bench.single(single)
    return facts | {
        "weight": DEFAULT_WEIGHT,
        "chance": bench.chance,
        "single": rate,
        "columns": columns,
        "aims": aims(rate, columns["painted"], columns["real"]),
    }


def aims(
    single: Mapping[str, Any], ours: Mapping[str, Any], ceiling: Mapping[str, Any]
) -> dict[str, Any]:
    """What painting is to reach: shares of the rate for things alone, and of the ceiling's IoU."""
    return {
        "right_of_single": ours["right"]["share"] / max(single["share"], 1e-9),
        "right_aim": RIGHT_AIM,
        "iou_of_ceiling": ours["iou"] / max(ceiling["iou"], 1e-9),
        "iou_aim": IOU_AIM,
    }


def _known(context: Context) -> list[Layout]:
    cells, judged = context.grid.cells, context.judges.judged
    return [
        row
        for row in read_layouts(LAYOUTS)
        if all(judged(t.hexcode) and (t.hexcode, row.style) in cells for t in row.things)
    ]


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
