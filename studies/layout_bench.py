"""What the protocol `layout` draws, and what looks at it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ediffi.core.errors import UserError
from ediffi.core.types import Pixels
from ediffi.evaluate.features import Extractor, Report, kept_features
from ediffi.evaluate.gallery import Gallery, Order
from ediffi.evaluate.heads import LinearHead
from ediffi.evaluate.shares import share
from ediffi.paint import DEFAULT_WEIGHT, RegionForm
from ediffi.pictogram.grammar import article
from ediffi.pictogram.render import Renderer
from studies.layout_rows import Layout
from studies.placement import candidates, cut, measure, right

FORMS = {
    "ours": RegionForm(),
    "paper": RegionForm(placed=False),
    "std": RegionForm("std", "sigma-squared", placed=False),
}
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
    judge: LinearHead
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

    def figures(self, name: str, pictures: Sequence[Pixels], folder: Path) -> dict[str, Any]:
        """Of a picture of each layout; folder: where features of regions are kept."""
        regions = [(n, thing.box) for n, row in enumerate(self.rows) for thing in row.things]

        def shown(numbers: Sequence[int]) -> list[Pixels]:
            return [cut(pictures[n], box) for n, box in (regions[i] for i in numbers)]

        def tell(more: int) -> None:
            self.report(f"judging {name}", more, len(regions))

        kept = folder / f"regions-{self.extractor.hash[:12]}.safetensors"
        features = kept_features(kept, self.extractor, len(regions), shown, tell)
        return measure(self.rows, pictures, right(self.judge, features, self.own, self.choices))

    def real(self, renderer: Renderer, side: int, folder: Path) -> tuple[list[Pixels], Path]:
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
