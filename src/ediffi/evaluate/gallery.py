"""Drawing a list of prompts once, as PNG files; an interrupted run goes on where it stopped.

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
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ediffi.core.errors import Notice
from ediffi.core.files import make_folder, write_atomically
from ediffi.core.pixels import to_uint8
from ediffi.core.types import Pixels
from ediffi.evaluate.examples import Tell, digest, kept_features
from ediffi.evaluate.extractor import Extractor
from ediffi.model import Cascade

DTYPE = torch.bfloat16
BLOCKS = {64: 16, 256: 4}  # pictures drawn at a time, by their side; one of larger ones
Open = Callable[[], Cascade]


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

    def draw(self, cascade: Cascade, tell: Tell = lambda more: None) -> None:
        """Draw what is missing."""
        for block in self._missing(tell):
            self.draw_block(cascade, block)
            tell(len(block))

    def draw_in_processes(self, open_cascade: Open, processes: int, tell: Tell) -> None:
        """The same in several processes, each with its part of the threads. open_cascade opens the
        model in each of them, and must be picklable."""
        todo = self._missing(tell)
        if not todo:
            return
        threads = max(1, torch.get_num_threads() // processes)
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(processes, context, _start, (open_cascade, threads)) as pool:
            jobs = {pool.submit(_draw_in_worker, self, block): block for block in todo}
            try:
                for job in as_completed(jobs):
                    job.result()
                    tell(len(jobs[job]))
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def draw_block(self, cascade: Cascade, numbers: Sequence[int]) -> None:
        """Draw these pictures together."""
        pictures = to_uint8(cascade.generate(**self.order.options(numbers)))
        for number, picture in zip(numbers, pictures, strict=True):
            save_picture(self.paths[number], picture)

    def _missing(self, tell: Tell) -> list[range]:
        """Blocks that are not whole; tells how many pictures are there."""
        make_folder(self.folder)
        size = self.order.block
        blocks = [range(i, min(i + size, len(self))) for i in range(0, len(self), size)]
        missing = [b for b in blocks if not all(self.paths[n].exists() for n in b)]
        tell(len(self) - sum(map(len, missing)))
        return missing

    def features(self, extractor: Extractor, tell: Tell = lambda more: None) -> Tensor:
        """(N, D) of all pictures, computed once and kept beside them."""
        path = self.folder / f"features-{extractor.hash[:12]}.safetensors"
        return kept_features(
            path, extractor, len(self), lambda rows: [self.picture(n) for n in rows], tell
        )


def save_picture(path: Path, picture: Pixels) -> None:
    """Write one picture as a PNG file, whole or not at all."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    write_atomically(path, file.getvalue())


_worker: dict[str, Cascade] = {}


def _start(open_cascade: Open, threads: int) -> None:
    torch.set_num_threads(threads)
    warnings.simplefilter("ignore", Notice)  # the parent has said it
    _worker["cascade"] = open_cascade()


def _draw_in_worker(gallery: Gallery, numbers: Sequence[int]) -> None:
    gallery.draw_block(_worker["cascade"], numbers)
