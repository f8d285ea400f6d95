"""One evaluation: draw, score, and a record that holds the whole protocol.

A record is a pure function of its settings: run again after an interruption, everything in it but
`timestamps` is the same, byte for byte.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from torch import Tensor

import ediffi
from ediffi.core.errors import UserError
from ediffi.core.files import make_folder, write_atomically
from ediffi.encoders import DEFAULT_TEXT
from ediffi.evaluate import scores
from ediffi.evaluate.gallery import DTYPE, Gallery, Open, Order
from ediffi.evaluate.judges import Judges, open_judges, text_features
from ediffi.evaluate.pictograms import PictogramSet
from ediffi.evaluate.pictures import Report
from ediffi.evaluate.scores import Asked
from ediffi.model import Cascade
from ediffi.pictogram.grid import Grid
from ediffi.pictogram.sources import cache_root

CURVE_METRICS = ("fd", "kid", "clip", "concept", "style")
"""Measured at every guidance scale."""


class Settings(BaseModel):
    """What `ediffi evaluate` was asked for.

    metrics: names of `CURVE_METRICS` and `headline_metrics()`; guidance: scales of the base, None
    stands for the stage's own; stage: resolution to stop at, None for the base's.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: Literal["pictogram"] = "pictogram"
    split: Literal["train", "held-out"] = "train"
    metrics: tuple[str, ...] = CURVE_METRICS
    guidance: tuple[float, ...] | None = None
    num_images: int = Field(default=1000, ge=8, le=100_000)
    stage: int | None = None
    extractor: str = "efficientnet-lite0"

    @field_validator("metrics")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        known = (*CURVE_METRICS, *headline_metrics())
        unknown = [name for name in names if name not in known]
        if unknown or not names:
            raise ValueError(f"unknown metric {unknown}: choose from {', '.join(known)}")
        return names


@dataclass(frozen=True)
class Context:
    """What every metric may use."""

    settings: Settings
    cascade: Cascade
    open_cascade: Open
    grid: Grid
    folder: Path
    processes: int
    cache_dir: Path | None
    report: Report

    @property
    def stage(self) -> int:
        """Resolution of the pictures."""
        return self.settings.stage or self.cascade.config.stages[0].resolution

    @property
    def headline(self) -> float:
        """The guidance scale that the model ships with."""
        return self.cascade.config.stages[0].sampling.guidance_scale

    @cached_property
    def data(self) -> PictogramSet:
        features = (self.cache_dir or cache_root()) / "evaluate"
        return PictogramSet(self.grid, self.cascade.config, self.settings.split, features)

    @cached_property
    def judges(self) -> Judges:
        return open_judges(
            self.grid,
            self.data.concepts,
            self.data.styles,
            extractor=self.settings.extractor,
            cache_dir=self.cache_dir,
            report=self.report,
        )

    @cached_property
    def asked(self) -> Asked:
        scenes = self.data.prompts(self.settings.num_images)
        return Asked(scenes, text_features([scene.caption for scene in scenes]))

    def real(self, kind: str, num: int | None = None) -> Tensor:
        """Features of real pictures, see `PictogramSet.real`."""
        num = num or self.settings.num_images
        tell = self.tell(f"real pictures ({kind})", num)
        return self.data.real(kind, num, self.stage, self.judges.extractor, tell)

    def draw(
        self, what: str, prompts: Sequence[str], seeds: Sequence[int], guidance: float
    ) -> Gallery:
        """Draw prompts, or find them drawn."""
        return self.draw_order(what, Order(tuple(prompts), tuple(seeds), self.stage, guidance))

    def draw_order(self, what: str, order: Order) -> Gallery:
        """Draw an order, or find it drawn."""
        gallery = Gallery(self.folder / "pictures", order, self.cascade)
        tell = self.tell(what, len(gallery))
        gallery.draw(self.open_cascade, processes=self.processes, report=tell)
        return gallery

    def features(self, what: str, gallery: Gallery) -> Tensor:
        """What the judges see of drawn pictures."""
        return gallery.features(self.judges.extractor, self.tell(what, len(gallery)))

    def tell(self, what: str, total: int) -> Callable[[int], None]:
        return lambda more: self.report(what, more, total)


Metric = Callable[[Context], dict[str, Any]]


def headline_metrics() -> dict[str, Metric]:
    """Measured once, with the guidance that the model ships with."""
    from ediffi.evaluate.compose import compose_scores
    from ediffi.evaluate.diversity import diversity_scores
    from ediffi.evaluate.layout import layout_scores
    from ediffi.evaluate.memorization import memorization_scores

    return {
        "compose": compose_scores,
        "diversity": diversity_scores,
        "memorization": memorization_scores,
        "layout": layout_scores,
    }


def evaluate(context: Context) -> dict[str, Any]:
    """Draw, score and write `record.json` to the context's folder; returns the record."""
    started, clock = datetime.now(UTC), time.perf_counter()
    make_folder(context.folder)
    settings = context.settings
    context.cascade.plan(stop_at=context.stage)  # a wrong --stage is told before any work
    curved = set(settings.metrics) & set(CURVE_METRICS)
    scales = (settings.guidance or (context.headline,)) if curved else ()
    record: dict[str, Any] = {
        "protocol": protocol(context),
        "judges": {
            "accuracy_on_real": context.judges.accuracy,
            "left_out": left_out(context),
        },
        "curve": [_point(context, scale) for scale in scales],
        "real": _real(context) if curved else {},
    }
    for name, measure in headline_metrics().items():
        if name in settings.metrics:
            record[name] = {"guidance": context.headline, **measure(context)}
    record["timestamps"] = {
        "started": started.isoformat(timespec="seconds"),
        "processes": context.processes,
        "seconds": round(time.perf_counter() - clock, 1),
    }
    write_record(context.folder / "record.json", record)
    return record


def protocol(context: Context) -> dict[str, Any]:
    """All that a figure depends on."""
    config, judges = context.cascade.config, context.judges
    names = {"clip": f"match-{judges.extractor.name}-minilm"}
    names |= {kind: f"{kind}-{judges.extractor.name}" for kind in ("fd", "kid")}
    return {
        "settings": context.settings.model_dump(mode="json"),
        "ediffi": ediffi.__version__,
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "model": config.name,
        "model_hash": context.cascade.hash,
        "images_seen": {stage.name: stage.images_seen for stage in config.stages},
        "encoders": {role: spec.source for role, spec in config.encoders.items()},
        "data": context.data.facts(),
        "seeds": "a prompt's number",
        "stage": context.stage,
        "sampling": {
            stage.name: stage.sampling.model_dump(mode="json")
            for stage in config.stages
            if stage.resolution <= context.stage
        },
        "sigma_schedule": "Karras et al. 2022, eq. 5, from sigma_max to sigma_min, then 0",
        "dtype": str(DTYPE).removeprefix("torch."),
        "names": names,
        "extractor": {
            "name": judges.extractor.name,
            "sha256": judges.extractor.hash,
            "resize": f"bicubic to {judges.extractor.side} px, antialiased, clipped",
        },
        "judges": judges.hash,
        "text_features": {"source": DEFAULT_TEXT.source, "sha256": DEFAULT_TEXT.sha256},
        "reference": "as many other scenes of the same cells",
        "null": "each picture with the prompt half the list further",
    }


def left_out(context: Context) -> dict[str, str]:
    """Concepts that the judge confuses on real pictures -> what it takes them for, by label."""
    names = context.data.composer.words
    return {names[own][0]: names[other][0] for own, other in context.judges.left_out.items()}


def _point(context: Context, guidance: float) -> dict[str, Any]:
    """All curve metrics at one guidance scale."""
    asked = context.asked
    seeds = range(len(asked.scenes))
    name = f"pictures, guidance {guidance:g}"
    gallery = context.draw(name, asked.captions, seeds, guidance)
    fake = context.features(f"features, guidance {guidance:g}", gallery)
    return {"guidance": guidance, **_scores(context, fake)}


def _scores(context: Context, fake: Tensor) -> dict[str, Any]:
    judges, asked, metrics = context.judges, context.asked, context.settings.metrics
    reference = context.real("reference") if {"fd", "kid"} & set(metrics) else fake
    measures: dict[str, Callable[[], dict[str, Any]]] = {
        "fd": lambda: scores.fd_scores(fake, reference),
        "kid": lambda: scores.kid_scores(fake, reference),
        "clip": lambda: scores.match_scores(judges, fake, asked),
        "concept": lambda: scores.concept_scores(judges, fake, asked),
        "style": lambda: scores.style_scores(judges, fake, asked),
    }
    return {name: measure() for name, measure in measures.items() if name in metrics}


def _real(context: Context) -> dict[str, Any]:
    """What real pictures score: the prompts' own scenes as if they were outputs (ceilings, and the
    floor that comes from sampling), and disjoint drawings against each other."""
    ceiling = _scores(context, context.real("prompts"))
    wanted = [name for name in ("fd", "kid") if name in context.settings.metrics]
    if not wanted:
        return {"prompts": ceiling}
    try:
        halves = [context.real(f"half-{number}") for number in (0, 1)]
    except UserError as error:  # a split so small that one half is empty
        return {"prompts": ceiling, "disjoint_halves": {"none": str(error)}}
    measures = {"fd": scores.fd_scores, "kid": scores.kid_scores}
    return {
        "prompts": ceiling,
        "disjoint_halves": {name: measures[name](halves[0], halves[1]) for name in wanted},
    }


def write_record(path: Path, record: dict[str, Any]) -> None:
    """Indented JSON."""
    write_atomically(path, (json.dumps(record, indent=2) + "\n").encode())


def read_record(path: Path) -> tuple[Settings, dict[str, Any]]:
    """The settings of a record, to run it again, and the whole of it."""
    try:
        record = json.loads(path.read_text())
        return Settings.model_validate(record["protocol"]["settings"]), record
    except OSError as error:
        raise UserError(f"cannot read the record {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, ValidationError) as error:
        raise UserError(f"{path} is no record of an evaluation: {error}") from error
