"""A job that waits or is being drawn: what the engine does for it, and what is told of it."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch.nn.functional as F
from PIL import Image
from torch import Tensor

import ediffi
from ediffi.core.errors import UserError
from ediffi.core.pixels import to_uint8
from ediffi.core.types import Event, Pixels, Progress, StageDone
from ediffi.model import Cascade, Plan
from ediffi.model.asks import Asking
from ediffi.model.run import asking, encode
from ediffi.output import save_picture
from ediffi.server.asked import of_one
from ediffi.server.engine import Cancelled
from ediffi.server.store import Row, Status, Store
from ediffi.trust.safety import Filters, Refused

log = logging.getLogger(__name__)
PREVIEW = 256  # largest side of a preview, pixels
UNWRITTEN = threading.BoundedSemaphore(32)  # pictures that may wait to be written, of all jobs


@dataclass(frozen=True)
class Step:
    """How far the slowest picture's stage is: steps of all pictures together."""

    stage: str
    step: int
    num_steps: int
    experts: tuple[str, ...]


@dataclass
class _Picture:
    """One picture's way: the stage it is in, the steps done of each, what it looks like."""

    stage: int = 0
    steps: dict[str, int] = field(default_factory=dict)
    expert: str | None = None
    preview: Pixels | None = None


class Job:
    """`Work` of the engine. Whoever follows it is woken when something has changed.

    images: of every picture {"url", "seed", "width", "height", "prompt", "stages"}, None until it
    is on disk; stages: {"stage", "resolution", "images"} for every stage that all pictures have.
    """

    def __init__(
        self,
        row: Row,
        plan: Plan,
        again: Callable[[bytes], Plan],
        cascade: Cascade,
        store: Store,
        writer: Executor,
        ended: Callable[[Job], None],
        filters: Filters,
    ) -> None:
        """again: plans the request of the job anew; ended: told when it is done and kept, from
        another thread; filters: of pictures."""
        self.row = row
        self.id, self.client, self.num_pictures = row.id, row.client, row.num_pictures
        self.plan = _light(plan)
        self.num_references = sum(len(s.style.pictures) for s in plan.subjects[:1] if s.style)
        self._whole = plan if _is_light(plan) else None  # pictures do not wait in memory
        self._again = again
        self._asked: dict[str, Any] = {}
        self.status: Status = "queued"
        self.position = 0
        self.progress: Step | None = None
        self.stages: list[dict[str, Any]] = []
        self.images: list[dict[str, Any] | None] = [None] * len(plan)
        self.error: str | None = None
        self.users_fault = False  # whether it failed by what was asked for
        self.resumes = False  # whether it is begun again at the next start
        self.interrupted = False  # whether that is what has happened to it
        self._cascade, self._store, self._writer = cascade, store, writer
        self._ended = ended
        self._filters = filters
        self._names = [str(config.name) for config, _ in plan.stages]
        self._pictures = [_Picture() for _ in plan.seeds]
        self._on_disk = {name: 0 for name in self._names}
        self._evaluations: dict[str, int] = {}
        self._followers: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}
        self._lock = threading.Lock()

    # What the engine calls, in its thread.

    def start(self) -> Sequence[Asking[Event, None]]:
        self._store.started(self.id)
        self.status, self.position = "running", 0
        self._wake()
        request = self._store.request(self.id)
        self._asked = json.loads(request)
        plan, self._whole = self._whole or self._again(request), None
        prompt = encode(plan, self._cascade)
        return [
            asking(part, prompt.map(lambda t, n=n: t[n : n + 1]), self._cascade)  # type: ignore[misc]
            for n, part in enumerate(plan.batches(1))
        ]

    def moved(self, position: int) -> None:
        if position != self.position:
            self.position = position
            self._wake()

    def happened(self, picture: int, event: Event) -> None:
        its = self._pictures[picture]
        if isinstance(event, Progress):
            its.steps[event.stage] = event.step
            its.expert, its.preview = event.expert, _small(event.preview)
            self._evaluations[event.stage] = event.num_steps
            self.progress = self._step()
        else:
            its.stage += 1
            UNWRITTEN.acquire()
            self._writer.submit(self._write, picture, event)
        self._wake()

    def ended(self, error: BaseException | None) -> None:
        self._writer.submit(self._end, error)

    # In the writer's thread.

    def _write(self, picture: int, event: StageDone) -> None:
        """A picture of a stage to disk."""
        try:
            last = event.stage == self._names[-1]
            path = picture_path(self._store.files(self.id), picture, None if last else event.stage)
            pixels = to_uint8(event.images)[0]
            told = self._filters.check_picture(Image.fromarray(pixels), f"picture {picture}")
            said = {"safety": [one.as_json() for one in told]} if told else {}
            save_picture(path, pixels, self._about(picture) | said)
            if last:
                self.images[picture] = self._image(picture, event.images.shape[-1])
            self._on_disk[event.stage] += 1
            if self._on_disk[event.stage] == len(self._pictures):
                self.stages.append(self._stage(event.stage, event.images.shape[-1]))
        except Refused as refused:
            self.error, self.users_fault = self.error or str(refused), True
        except Exception as error:
            self.error = self.error or f"a picture cannot be written: {error}"
        finally:
            UNWRITTEN.release()
        self._wake()

    def _end(self, error: BaseException | None) -> None:
        """The last thing that happens to it: pictures written before are on disk."""
        try:
            if self.resumes and isinstance(error, Cancelled):
                self._store.waits_again(self.id, starts=0)
                self.interrupted = True
                return
            said = self.error or (_message(error) if error is not None else None)
            cancelled = isinstance(error, Cancelled)
            status: Status = "cancelled" if cancelled else "done" if said is None else "failed"
            self.error = None if cancelled else said
            images = tuple(image for image in self.images if image is not None)
            self.users_fault |= isinstance(error, UserError)
            self.row = self._store.ended(self.id, status, images, self.error)
            self.status = status  # last: whoever follows looks at the rest now
        except Exception as failure:  # the disk is full, or gone
            log.exception("a job's end cannot be kept")
            self.status, self.error = "failed", f"the job cannot be kept: {failure}"
        finally:
            self._ended(self)
            self._wake()

    # What is told of it.

    def previews(self) -> list[Pixels | None]:
        """What each picture looks like so far, (h, w, 3), at most 256 pixels a side; nothing where
        filters are to see it first."""
        if self._filters.pictures:
            return [None] * len(self._pictures)
        return [its.preview for its in self._pictures]

    def follow(self, wake: asyncio.Event) -> None:
        """Set `wake`, an event of the running loop, whenever something has changed."""
        with self._lock:
            self._followers[wake] = asyncio.get_running_loop()

    def leave(self, wake: asyncio.Event) -> None:
        with self._lock:
            self._followers.pop(wake, None)

    def _wake(self) -> None:
        with self._lock:
            followers = list(self._followers.items())
        for wake, loop in followers:
            if not loop.is_closed():
                loop.call_soon_threadsafe(wake.set)

    def _step(self) -> Step:
        stage = min(min(its.stage for its in self._pictures), len(self._names) - 1)
        name = self._names[stage]
        total = self._evaluations.get(name, 0)
        steps = sum(
            total if its.stage > stage else its.steps.get(name, 0) for its in self._pictures
        )
        experts = {its.expert for its in self._pictures if its.stage == stage and its.expert}
        return Step(name, steps, total * len(self._pictures), tuple(sorted(experts)))

    def _image(self, picture: int, side: int) -> dict[str, Any]:
        return {
            "url": picture_url(self.id, picture),
            "seed": self.plan.seeds[picture],
            "width": side,
            "height": side,
            "prompt": self.plan.subjects[picture].prompt,
            "stages": {name: picture_url(self.id, picture, name) for name in self._names[:-1]},
        }

    def _stage(self, name: str, side: int) -> dict[str, Any]:
        lower = None if name == self._names[-1] else name
        urls = [picture_url(self.id, picture, lower) for picture in range(len(self._pictures))]
        return {"stage": name, "resolution": side, "images": urls}

    def _about(self, picture: int) -> dict[str, Any]:
        """What the file of a picture says of how it was made."""
        prompt, seed = self.plan.subjects[picture].prompt, self.plan.seeds[picture]
        return {
            **({} if prompt is None else {"prompt": prompt}),
            "seed": seed,
            "model": self._cascade.config.name,
            "model_hash": self._cascade.hash,
            **self.plan.described(),
            **({"looks": False} if self._asked.get("looks") is False else {}),
            "software": {"ediffi": ediffi.__version__},
            "request": of_one(self._asked, picture, seed),
        }


def _is_light(plan: Plan) -> bool:
    return plan.low_res is None and not any(s.style or s.placement for s in plan.subjects)


def _light(plan: Plan) -> Plan:
    """Without pictures and masks."""
    subjects = tuple(replace(s, style=None, placement=None) for s in plan.subjects)
    return replace(plan, subjects=subjects, low_res=None)


def picture_path(folder: Path, picture: int, stage: str | None = None) -> Path:
    """The file of a job's picture, or of what a lower stage has drawn of it."""
    return folder / (f"{picture}.png" if stage is None else f"{picture}.{stage}.png")


def picture_url(job: str, picture: int, stage: str | None = None) -> str:
    query = "" if stage is None else f"?stage={stage}"
    return f"/v1/jobs/{job}/images/{picture}.png{query}"


def _small(preview: Tensor) -> Pixels:
    side = preview.shape[-1]
    if side > PREVIEW:
        preview = F.avg_pool2d(preview, side // PREVIEW)
    pixels: Pixels = to_uint8(preview)[0]
    return pixels


def _message(error: BaseException) -> str:
    if isinstance(error, UserError):
        return str(error)
    return f"the server has failed at this job: {type(error).__name__}: {error}"
