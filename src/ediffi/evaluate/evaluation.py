"""Settings, a model and a data set: what an evaluation is, and what it looks at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from torch import Tensor

from ediffi.core.errors import UserError
from ediffi.data.labelled import DataSet, ShardDataSet, Subset
from ediffi.evaluate.features import EFFICIENTNET, Extractor, open_extractor, real_features
from ediffi.evaluate.gallery import Subject
from ediffi.evaluate.judges import Judges, open_judges
from ediffi.evaluate.metrics import METRICS, Asked, Seen
from ediffi.model import stages_to_run
from ediffi.pictogram.dataset import PictogramSet
from ediffi.pictogram.grid import Grid
from ediffi.pictogram.sources import cache_root

DISTANCES = ("fd", "kid")


class Checked(BaseModel):
    """Options of a command, checked."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def of(cls, **asked: Any) -> Self:
        """None stands for the default.

        Raises:
            UserError: a wrong value.
        """
        try:
            return cls(**{name: value for name, value in asked.items() if value is not None})
        except ValidationError as error:
            raise UserError.of(error) from error


class Settings(Checked):
    """What `ediffi evaluate run` was asked for.

    data: "pictogram", or a folder of shards; split: of the pictogram grid; metrics: names of
    `METRICS`, None for all that the data allows; guidance: scales of the base, None for the one
    that the model ships with; stage: resolution to stop at, None for the base's; extractor: see
    `open_extractor`.
    """

    data: str = "pictogram"
    split: Literal["train", "held-out"] = "train"
    metrics: tuple[str, ...] | None = None
    guidance: tuple[float, ...] | None = None
    num_images: int = Field(default=1000, ge=8, le=100_000)
    stage: int | None = None
    extractor: str = EFFICIENTNET

    @field_validator("metrics")
    @classmethod
    def _known(cls, names: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for name in names or ():
            if name not in METRICS:
                raise ValueError(f"unknown metric {name!r}: choose from {', '.join(METRICS)}")
        return names


@dataclass(frozen=True)
class Evaluation:
    """Settings, a model and a data set. cache: folder of judges and features of real pictures."""

    settings: Settings
    subject: Subject
    data: DataSet
    cache: Path

    @classmethod
    def open(
        cls, settings: Settings, subject: Subject, cache_dir: Path | None = None
    ) -> Evaluation:
        """With the data set that the settings name. cache_dir: where the pictogram grid was built,
        and what is computed of real pictures is kept.

        Raises:
            UserError: no such data, or the model draws nothing of it.
        """
        data: DataSet
        if settings.data == "pictogram":
            grid = Grid.load(cache_dir)
            data = PictogramSet(grid, subject.cascade.config, settings.split)
        elif settings.split == "held-out":
            raise UserError("--split is of the pictogram grid: give a folder that is held out")
        else:
            data = ShardDataSet(Path(settings.data))
        return cls(settings, subject, data, cache_dir or cache_root())

    def __post_init__(self) -> None:
        stages_to_run(self.subject.cascade.config, self.stage)  # a wrong --stage is told first

    @property
    def stage(self) -> int:
        """Resolution of the pictures."""
        return self.settings.stage or self.subject.base_side

    @property
    def shipped_guidance(self) -> float:
        """The guidance scale that the model ships with."""
        return self.subject.cascade.config.stages[0].sampling.guidance_scale

    @cached_property
    def extractor(self) -> Extractor:
        return open_extractor(self.settings.extractor)

    @cached_property
    def judges(self) -> Judges:
        return open_judges(self.data.lessons, self.extractor, self.cache, self.subject.report)

    @cached_property
    def asked(self) -> Asked:
        return Asked.of(self.data.prompts.first(self.settings.num_images))

    @cached_property
    def metrics(self) -> tuple[str, ...]:
        """Those asked for.

        Raises:
            UserError: the data does not allow one of them.
        """
        impossible = {
            "concept": self.judges.concept is None,
            "style": self.judges.style is None,
            "memorization": self.data.training is None,
        }
        possible = tuple(name for name in METRICS if not impossible.get(name))
        asked = self.settings.metrics or possible
        for name in asked:
            if name not in possible:
                raise UserError(f"--metrics {name} cannot be measured on {self.settings.data}")
        return asked

    def real(self, pictures: Subset, num: int | None = None) -> Tensor:
        """Features of the first real pictures, as many as are drawn unless told otherwise."""
        pictures = pictures.first(num or self.settings.num_images)
        tell = self.subject.tell("real pictures", len(pictures))
        return real_features(pictures, self.extractor, self.stage, self.cache / "evaluate", tell)

    def drawn(self, what: str, prompts: Sequence[str], guidance: float | None = None) -> Tensor:
        """Features of a picture of each prompt, by its number as seed. guidance: None for the scale
        that the model ships with."""
        scale = self.shipped_guidance if guidance is None else guidance
        gallery = self.subject.draw_prompts(what, prompts, self.stage, scale)
        return self.subject.features(gallery, self.extractor, what)

    def seen(self, features: Tensor) -> Seen:
        """Pictures of the prompts, by their features, beside what they are measured against."""
        reference = self.real(self.data.reference) if self.wants_distances else features
        return Seen(features, self.asked, reference, self.judges)

    @property
    def wants_distances(self) -> bool:
        """Whether pictures are compared with a reference."""
        return any(name in self.metrics for name in DISTANCES)
