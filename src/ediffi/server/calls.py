"""Calls: requests whose client waits for the pictures, and which end when it leaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fastapi import Request

from ediffi.server.errors import ApiError
from ediffi.server.job import Job
from ediffi.server.jobs import Jobs
from ediffi.server.sse import changes
from ediffi.server.store import ENDED


@asynccontextmanager
async def called(jobs: Jobs, body: bytes, client: str) -> AsyncIterator[Job]:
    """A job for as long as somebody waits for it: it is cancelled if the block is left before.

    Raises:
        UserError, ApiError: see `Jobs.submit`.
    """
    _, job = await asyncio.to_thread(jobs.submit, body, client, call=True)
    assert job is not None  # without an idempotency key
    try:
        yield job
    finally:
        if job.status not in ENDED:
            jobs.engine.cancel(job)


async def drawn(request: Request, job: Job) -> None:
    """Wait until a job has ended.

    Raises:
        ApiError: it failed or was cancelled, or the client has left meanwhile.
    """
    ending = asyncio.create_task(_ended(job))
    leaving = asyncio.create_task(_left(request))
    try:
        await asyncio.wait({ending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not ending.done():
            raise ApiError(499, "the client has left")
    finally:
        for task in (ending, leaving):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
    check(job)


def check(job: Job) -> None:
    """Raises ApiError: it has not ended well."""
    if job.interrupted or job.status not in ENDED:
        raise ApiError(503, "the server is being stopped", headers={"Retry-After": "10"})
    if job.status == "cancelled":
        raise ApiError(409, "this was cancelled", code="cancelled")
    if job.status == "failed":
        raise ApiError(400 if job.users_fault else 500, job.error or "", code="failed")


async def _ended(job: Job) -> None:
    async for _ in changes(job):
        pass


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
