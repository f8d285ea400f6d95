"""A job's events as Server-Sent Events."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import time
from collections.abc import AsyncIterator
from typing import Any

from fastapi.responses import StreamingResponse
from PIL import Image

from ediffi.core.types import Pixels
from ediffi.server.job import Job
from ediffi.server.store import ENDED, Row

PAUSE = 0.25  # least seconds between two progress events with previews
ALIVE = 15.0  # seconds of silence after which a comment tells that the connection stands


def event(name: str, data: Any) -> str:
    """One event; data: a JSON value."""
    return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"


def stream(events: AsyncIterator[str]) -> StreamingResponse:
    """An answer of events, as they come."""
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(events, media_type="text/event-stream", headers=headers)


async def changes(job: Job) -> AsyncIterator[bool]:
    """Comes back whenever something about a job has changed, at first at once, the last time when
    it has ended; False: nothing has changed for a while."""
    wake = asyncio.Event()
    job.follow(wake)
    try:
        changed = True
        while True:
            wake.clear()
            over = job.status in ENDED
            yield changed
            if over or job.interrupted:
                return
            try:
                await asyncio.wait_for(wake.wait(), ALIVE)
                changed = True
            except TimeoutError:
                changed = False
    finally:
        job.leave(wake)


async def events_of(job: Job) -> AsyncIterator[str]:
    """Where a job is, and then what happens to it, until it ends."""
    position, stages, due = None, 0, 0.0
    step = None
    async for changed in changes(job):
        if not changed:
            yield ": still here\n\n"
        if job.status == "queued" and job.position != position:
            position = job.position
            yield event("queued", {"position": position})
        for stage in job.stages[stages:]:
            stages += 1
            yield event("stage", stage)
        now = job.progress
        if now is not None and now != step and job.status == "running":
            step = now
            told: dict[str, Any] = {
                "stage": now.stage,
                "step": now.step,
                "num_steps": now.num_steps,
                "experts": list(now.experts),
            }
            if time.monotonic() >= due:
                due = time.monotonic() + PAUSE
                told["previews"] = await asyncio.to_thread(_uris, job.previews())
            yield event("progress", told)
        if job.status in ENDED:
            yield ended(job.row)


def ended(row: Row) -> str:
    """The last event of a job."""
    if row.status == "done":
        return event("done", {"images": list(row.images)})
    if row.status == "failed":
        return event("failed", {"message": row.error})
    return event("cancelled", {})


def _uris(previews: list[Pixels | None]) -> list[str | None]:
    return [None if pixels is None else data_uri(pixels) for pixels in previews]


def data_uri(pixels: Pixels) -> str:
    """(H, W, 3) as a small WebP."""
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "WEBP", quality=80, method=0)
    return f"data:image/webp;base64,{base64.b64encode(out.getvalue()).decode()}"
