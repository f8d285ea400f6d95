"""The model that is measured: how its pictures are drawn, and what a record says of it."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import ediffi
from ediffi.core.files import make_folder, write_atomically
from ediffi.evaluate.examples import Report, Tell
from ediffi.evaluate.extractor import Extractor
from ediffi.evaluate.gallery import DTYPE, Gallery, Open, Order
from ediffi.model import Cascade

QUIET: Report = lambda what, more, total: None  # noqa: E731


@dataclass(frozen=True)
class Subject:
    """A model, and the folder that its pictures are drawn to.

    open_cascade: opens it again, in each of several processes; report: told of progress.
    """

    cascade: Cascade
    open_cascade: Open
    folder: Path
    processes: int = 1
    report: Report = QUIET

    @classmethod
    def open(
        cls, name: str, folder: Path, *, processes: int = 1, report: Report = QUIET
    ) -> Subject:
        """The model that ships under that name, is in that folder or on the hub."""
        again = partial(Cascade.from_pretrained, name)
        return cls(again(), again, folder, processes, report)

    @property
    def base_side(self) -> int:
        """Side of the base's pictures, pixels."""
        return self.cascade.config.stages[0].resolution

    def draw(self, what: str, order: Order) -> Gallery:
        """The pictures of an order, drawn or found drawn. what: their name, for the report."""
        gallery = Gallery(self.folder / "pictures", order, self.cascade)
        tell = self.tell(what, len(gallery))
        if self.processes > 1:
            gallery.draw_in_processes(self.open_cascade, self.processes, tell)
        else:
            gallery.draw(self.cascade, tell)
        return gallery

    def draw_prompts(
        self, what: str, prompts: Sequence[str], stage: int, guidance: float | None = None
    ) -> Gallery:
        """A picture of each prompt; its seed is its number."""
        return self.draw(what, Order(tuple(prompts), tuple(range(len(prompts))), stage, guidance))

    def features(self, gallery: Gallery, extractor: Extractor, what: str) -> Tensor:
        """(N, D) of drawn pictures."""
        return gallery.features(extractor, self.tell(f"features, {what}", len(gallery)))

    def tell(self, what: str, total: int) -> Tell:
        """`report` for one piece of work."""
        return lambda more: self.report(what, more, total)

    def facts(self, stage: int | None = None) -> dict[str, Any]:
        """All of the model that a figure of its pictures depends on. stage: side of these."""
        config = self.cascade.config
        stages = [s for s in config.stages if stage is None or s.resolution <= stage]
        return {
            "ediffi": ediffi.__version__,
            "torch": torch.__version__,
            "threads": torch.get_num_threads(),
            "dtype": str(DTYPE).removeprefix("torch."),
            "model": config.name,
            "model_hash": self.cascade.hash,
            "images_seen": {s.name: s.images_seen for s in config.stages},
            "encoders": {role: spec.source for role, spec in config.encoders.items()},
            "stage": stage or config.stages[-1].resolution,
            "sampling": {s.name: s.sampling.model_dump(mode="json") for s in stages},
            "sigma_schedule": "Karras et al. 2022, eq. 5, from sigma_max to sigma_min, then 0",
        }


class Clock:
    """When work began, for a record's `timestamps`, which are all of it that may differ."""

    def __init__(self) -> None:
        self.began, self._start = datetime.now(UTC), time.perf_counter()

    def stamps(self, processes: int) -> dict[str, Any]:
        """When, how long until now, and with how many processes."""
        return {
            "started": self.began.isoformat(timespec="seconds"),
            "processes": processes,
            "seconds": round(time.perf_counter() - self._start, 1),
        }


def write_record(path: Path, record: dict[str, Any]) -> None:
    """Indented JSON; the folder is made."""
    make_folder(path.parent)
    write_atomically(path, (json.dumps(record, indent=2) + "\n").encode())
