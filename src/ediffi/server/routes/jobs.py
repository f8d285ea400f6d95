"""/v1/jobs: everything that a `Request` can say, in a queue, never given up by a disconnect."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Request
from fastapi.responses import FileResponse, JSONResponse, Response, StreamingResponse

from ediffi.server.errors import RESPONSES, ApiError
from ediffi.server.job import picture_path
from ediffi.server.schema import REQUEST_BODY, JobInfo, JobList
from ediffi.server.service import Client, TheService
from ediffi.server.sse import ended, events_of, stream
from ediffi.server.store import ENDED

router = APIRouter(prefix="/v1/jobs", tags=["jobs"], responses=RESPONSES)

Id = Annotated[str, Path(alias="job", max_length=64)]


@router.post(
    "",
    status_code=201,
    response_model=JobInfo,
    responses={200: {"model": JobInfo, "description": "The job of this Idempotency-Key."}},
    openapi_extra=REQUEST_BODY,
)
async def create(
    request: Request,
    service: TheService,
    client: Client,
    idempotency_key: Annotated[str | None, Header(max_length=200)] = None,
) -> Any:
    """Draw pictures. The body is a request as `ediffi.model.Request` has it, pictures in it as data
    URIs. It is kept on disk from now on, and drawn whether or not anybody waits."""
    body = await request.body()
    row, job = await asyncio.to_thread(
        service.jobs.submit, body, client, idempotency=idempotency_key
    )
    told = await asyncio.to_thread(service.jobs.told, row)
    headers = {"Location": f"/v1/jobs/{row.id}"}
    return JSONResponse(told, 200 if job is None else 201, headers=headers)


@router.get("", response_model=JobList)
def newest(
    service: TheService, client: Client, limit: Annotated[int, Query(ge=1, le=500)] = 50
) -> Any:
    """The client's jobs, the newest first."""
    rows = service.jobs.store.newest(client, limit)
    return {"jobs": [service.jobs.told(row) for row in rows]}


@router.get("/{job}", response_model=JobInfo)
def one(service: TheService, client: Client, job: Id) -> Any:
    """Where a job is, and its pictures as far as they are there."""
    return service.jobs.told(service.jobs.row(job, client))


@router.delete(
    "/{job}",
    response_model=JobInfo,
    responses={204: {"description": "It had ended, and is removed with its files."}},
)
async def stop(service: TheService, client: Client, job: Id) -> Any:
    """Stop a job that waits or is being drawn, within one evaluation of a network; remove one that
    has ended."""
    row = await asyncio.to_thread(service.jobs.row, job, client)
    if row.status in ENDED:
        await asyncio.to_thread(service.jobs.store.remove, job)
        return Response(status_code=204)
    await service.jobs.cancelled(job)
    return await asyncio.to_thread(lambda: service.jobs.told(service.jobs.row(job, client)))


@router.get(
    "/{job}/events",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)
async def events(service: TheService, client: Client, job: Id) -> StreamingResponse:
    """What happens to a job, as Server-Sent Events: `queued`, `progress`, `stage`, and at last
    `done`, `failed` or `cancelled`. Who comes late, or again, is told first where it is."""
    row = await asyncio.to_thread(service.jobs.row, job, client)
    live = service.jobs.live(job)
    if live is not None:
        return stream(events_of(live))
    row = await asyncio.to_thread(service.jobs.row, job, client)  # it may have ended just now

    async def over() -> AsyncIterator[str]:
        yield ended(row)

    return stream(over())


@router.get(
    "/{job}/images/{number}.png",
    response_class=FileResponse,
    responses={200: {"content": {"image/png": {"schema": {"type": "string"}}}}},
)
def image(
    service: TheService,
    client: Client,
    job: Id,
    number: Annotated[int, Path(ge=0, le=9999)],
    stage: Annotated[str | None, Query(max_length=40, description="A lower stage's.")] = None,
) -> FileResponse:
    """A picture. Its file says how it was made, the whole request included."""
    service.jobs.row(job, client)
    names = [str(config.name) for config in service.cascade.config.stages]
    if stage is not None and stage not in names:
        raise ApiError(404, f"no stage {stage!r}: {', '.join(names)}", param="stage")
    path = picture_path(service.jobs.store.files(job), number, stage)
    if not path.is_file():
        raise ApiError(404, "this picture is not there (yet)", code="image_not_found")
    headers = {"Cache-Control": "private, max-age=31536000, immutable"}
    return FileResponse(path, media_type="image/png", headers=headers)
