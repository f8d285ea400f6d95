"""The metric `layout`: is each thing where it was painted? On fixed layouts of two and three
things."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ediffi.core.errors import UserError
from ediffi.evaluate.extractor import Extractor
from ediffi.evaluate.gallery import Gallery, Order, kept_features
from ediffi.evaluate.layouts import LAYOUTS, Layout, read_layouts
from ediffi.evaluate.pictures import Picture, Report
from ediffi.evaluate.placement import Ranks, candidates, cut, measure, right
from ediffi.evaluate.real import enlarged
from ediffi.evaluate.scores import share
from ediffi.paint import DEFAULT_WEIGHT, RegionForm
from ediffi.pictogram.captions import article
from ediffi.pictogram.render import Renderer

if TYPE_CHECKING:
    from ediffi.evaluate.evaluation import Context

FORMS = {
    "ours": RegionForm(),
    "paper": RegionForm(placed=False),
    "std": RegionForm("std", "sigma-squared", placed=False),
}
NUM_METRIC = 54
RIGHT_AIM, IOU_AIM = 0.85, 0.75  # of the rate for things alone, and of the ceiling


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
