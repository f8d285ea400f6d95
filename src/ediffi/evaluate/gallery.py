"""A model that is measured, and the pictures that it draws: each once, as a PNG file; an
interrupted run goes on where it stopped.

Pictures are drawn in blocks that depend on the list only, and a block that is not whole is drawn
again, so that rounding in half precision is the same whenever and wherever it is drawn.
"""

from __future__ import annotations

import io
import multiprocessing
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

import ediffi
from ediffi.core.errors import Notice
from ediffi.core.files import make_folder, write_atomically
from ediffi.core.pixels import to_uint8
from ediffi.core.types import Pixels
from ediffi.evaluate.features import Extractor, Report, Tell, digest, kept_features
from ediffi.model import Cascade

DTYPE = torch.bfloat16
BLOCKS = {64: 16, 256: 4}  # pictures drawn at a time, by their side; one of larger ones
Open = Callable[[], Cascade]
QUIET: Report = lambda what, more, total: None  # noqa: E731


@dataclass(frozen=True)
class Order:
    """What to draw. use: roles to listen to, None for all; looks: see `Cascade.stream`."""

    prompts: tuple[str, ...]
    seeds: tuple[int, ...]
    stage: int
    guidance: float | None = None
    use: tuple[str, ...] | None = None
    looks: bool = True

    @property
    def block(self) -> int:
        """How many are drawn together."""
        return next((num for side, num in BLOCKS.items() if self.stage <= side), 1)

    def options(self, numbers: Sequence[int]) -> dict[str, Any]:
        """Of `Cascade.generate`, for the pictures with these numbers."""
        return {
            "prompts": [self.prompts[n] for n in numbers],
            "seeds": [self.seeds[n] for n in numbers],
            "stop_at": self.stage,
            "guidance_scale": self.guidance,
            "use": self.use,
            "looks": self.looks,
            "dtype": DTYPE,
        }


class Gallery:
    """The pictures of an order, in a folder of their own."""

    def __init__(self, folder: Path, order: Order, cascade: Cascade) -> None:
        """folder: of all galleries; this one's is named by the model and the order."""
        sampling = [s.sampling.model_dump() for s in cascade.config.stages]
        facts = [cascade.hash, repr(order), sampling, torch.__version__]
        self.folder = folder / digest(facts)[:16]
        self.order = order
        self.paths = [self.folder / f"{n:05d}.png" for n in range(len(order.prompts))]

    def __len__(self) -> int:
        return len(self.paths)

    def picture(self, number: int) -> Pixels:
        """(H, W, 3) uint8."""
        return np.asarray(Image.open(self.paths[number]).convert("RGB"))

    def __iter__(self) -> Iterator[Pixels]:
        return (self.picture(number) for number in range(len(self)))

    def features(self, extractor: Extractor, tell: Tell) -> Tensor:
        """(N, D) of all pictures, computed once and kept beside them."""
        path = self.folder / f"features-{extractor.hash[:12]}.safetensors"
        return kept_features(
            path, extractor, len(self), lambda rows: [self.picture(n) for n in rows], tell
        )

    def missing(self) -> list[range]:
        """Blocks that are not whole."""
        size = self.order.block
        blocks = [range(i, min(i + size, len(self))) for i in range(0, len(self), size)]
        return [b for b in blocks if not all(self.paths[n].exists() for n in b)]

    def draw_block(self, cascade: Cascade, numbers: Sequence[int]) -> None:
        """Draw these pictures together."""
        pictures = to_uint8(cascade.generate(**self.order.options(numbers)))
        for number, picture in zip(numbers, pictures, strict=True):
            file = io.BytesIO()
            Image.fromarray(picture).save(file, "PNG")
            write_atomically(self.paths[number], file.getvalue())


@dataclass(frozen=True)
class Subject:
    """A model that is measured, and the folder that its pictures are drawn to.

    open_cascade: opens it again in each of several processes, so it must be picklable; report:
    told of progress.
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
        make_folder(gallery.folder)
        missing, tell = gallery.missing(), self.tell(what, len(gallery))
        tell(len(gallery) - sum(map(len, missing)))
        if self.processes > 1 and missing:
            self._draw_in_processes(gallery, missing, tell)
            return gallery
        for block in missing:
            gallery.draw_block(self.cascade, block)
            tell(len(block))
        return gallery

    def _draw_in_processes(self, gallery: Gallery, missing: list[range], tell: Tell) -> None:
        """Each process has its part of the threads."""
        threads = max(1, torch.get_num_threads() // self.processes)
        context, start = multiprocessing.get_context("spawn"), (self.open_cascade, threads)
        with ProcessPoolExecutor(self.processes, context, _start, start) as pool:
            jobs = {pool.submit(_draw_in_worker, gallery, block): block for block in missing}
            try:
                for job in as_completed(jobs):
                    job.result()
                    tell(len(jobs[job]))
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def draw_prompts(
        self, what: str, prompts: Sequence[str], stage: int, guidance: float | None = None
    ) -> Gallery:
        """A picture of each prompt; its seed is its number."""
        return self.draw(what, Order(tuple(prompts), tuple(range(len(prompts))), stage, guidance))

    def features(self, gallery: Gallery, extractor: Extractor, what: str) -> Tensor:
        """(N, D) of drawn pictures, see `Gallery.features`."""
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


_worker: dict[str, Cascade] = {}


def _start(open_cascade: Open, threads: int) -> None:
    torch.set_num_threads(threads)
    warnings.simplefilter("ignore", Notice)  # the parent has said it
    _worker["cascade"] = open_cascade()


def _draw_in_worker(gallery: Gallery, numbers: Sequence[int]) -> None:
    gallery.draw_block(_worker["cascade"], numbers)
