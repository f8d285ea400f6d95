"""/v1/images and /v1/models: OpenAI's images API, as its own client speaks it."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from starlette.datastructures import FormData, UploadFile

from ediffi.core.errors import UserError
from ediffi.server.calls import called, check, drawn
from ediffi.server.errors import RESPONSES, ApiError
from ediffi.server.job import Job, picture_path
from ediffi.server.openai import (
    GenerateBody,
    check_model,
    in_their_words,
    parsed,
    request_of,
    resolution,
)
from ediffi.server.rendered import rendered, usage
from ediffi.server.schema import EDIT_BODY, GENERATE_BODY
from ediffi.server.service import Client, Service, TheService
from ediffi.server.sse import changes, event, stream

router = APIRouter(prefix="/v1", tags=["OpenAI"], responses=RESPONSES)
NOT_HERE = ("mask", "markup", "input_fidelity")  # of edits
MOST_REFERENCES = 16


@router.get("/models")
def models(service: TheService) -> dict[str, Any]:
    """The model that is served."""
    return {"object": "list", "data": [_model(service)]}


@router.get("/models/{name:path}")
def model(service: TheService, name: str) -> dict[str, Any]:
    """The model that is served, by its name."""
    check_model(name, service.cascade.config)
    return _model(service)


@router.post("/images/generations", openapi_extra=GENERATE_BODY)
async def generate(request: Request, service: TheService, client: Client) -> Response:
    """Draw pictures while the client waits; it is cancelled when the client leaves. With `stream`
    the pictures of the lower stages come first, as partial images."""
    try:
        value = json.loads(await request.body())
    except (ValueError, RecursionError) as error:
        raise ApiError(400, f"the body is not JSON: {error}") from error
    return await _answer(request, service, client, parsed(value), "image_generation", [])


@router.post("/images/edits", openapi_extra=EDIT_BODY)
async def edit(request: Request, service: TheService, client: Client) -> Response:
    """Draw pictures of the prompt in the look of up to 16 pictures. A part of a picture cannot be
    repainted: there is no `mask`."""
    form = await request.form(max_files=MOST_REFERENCES, max_fields=64)
    try:
        for name in NOT_HERE:
            if name in form:
                raise ApiError(
                    400,
                    f"{name} is not supported: this model takes the look of pictures, and cannot "
                    "repaint a part of one",
                    param=name,
                    code="unsupported_parameter",
                )
        pictures = [await _data_uri(item) for item in _files(form)]
        body = parsed(_fields(form))
    finally:
        await form.close()
    if not pictures:
        raise ApiError(400, "image: give at least one picture", param="image")
    if "clip_image" not in service.cascade.roles:
        name = service.cascade.config.name
        raise ApiError(400, f"image: {name} does not look at pictures", param="image")
    return await _answer(request, service, client, body, "image_edit", pictures)


async def _answer(
    request: Request,
    service: Service,
    client: str,
    body: GenerateBody,
    kind: str,
    pictures: list[str],
) -> Response:
    config = service.cascade.config
    check_model(body.model, config)
    asked = request_of(body, config, pictures)
    async with AsyncExitStack() as stack:
        try:
            job = await stack.enter_async_context(called(service.jobs, asked, client))
        except UserError as error:
            raise in_their_words(error) from error
        if body.stream:
            call = stack.pop_all()  # is left when the stream ends
            return stream(_streamed(service, body, job, kind, call))
        await drawn(request, job)
        base = str(request.base_url).rstrip("/")
        return JSONResponse(await asyncio.to_thread(_response, service, body, job, base))


async def _streamed(
    service: Service, body: GenerateBody, job: Job, kind: str, call: AsyncExitStack
) -> AsyncIterator[str]:
    """Partial images as lower stages are done, the pictures, and the end mark."""
    side, _ = resolution(body.size, service.cascade.config)
    lower = [str(config.name) for config, _ in job.plan.stages[:-1]]
    wanted = lower[len(lower) - (body.partial_images or 0) :] if body.partial_images else []
    common = {
        "background": "opaque",
        "output_format": body.kind,
        "quality": body.quality or "auto",
    }
    folder, form = service.jobs.store.files(job.id), (body.kind, body.output_compression)
    sent = index = 0
    async with call:
        async for _ in changes(job):
            for stage in job.stages[sent:]:
                sent += 1
                if stage["stage"] not in wanted:
                    continue
                for picture in range(job.num_pictures):
                    path = picture_path(folder, picture, stage["stage"])
                    data = await asyncio.to_thread(rendered, path, None, *form)
                    more = {**common, "partial_image_index": index}
                    yield _picture(f"{kind}.partial_image", data, stage["resolution"], more)
                    index += 1
        try:
            check(job)
        except ApiError as error:
            yield event("error", json.loads(bytes(error.response().body)))
            return
        for picture in range(job.num_pictures):
            path = picture_path(folder, picture)
            data = await asyncio.to_thread(rendered, path, side, *form)
            spent = {**common, "usage": usage(service, job, 1)}
            yield _picture(f"{kind}.completed", data, side, spent)
        yield "data: [DONE]\n\n"


def _picture(name: str, data: bytes, side: int, more: dict[str, Any]) -> str:
    """An event with a picture in it."""
    said = {
        "type": name,
        "created_at": int(time.time()),
        "b64_json": base64.b64encode(data).decode(),
        "size": f"{side}x{side}",
    }
    return event(name, more | said)


def _response(service: Service, body: GenerateBody, job: Job, base: str) -> dict[str, Any]:
    side, drawn_side = resolution(body.size, service.cascade.config)
    if body.response_format == "url" and (side != drawn_side or body.kind != "png"):
        raise ApiError(
            400, "response_format: url is for PNG files in a size that is drawn", param="size"
        )
    data = []
    for picture, subject in enumerate(job.plan.subjects):
        its: dict[str, Any] = {"revised_prompt": subject.text}
        if body.response_format == "url":
            image = job.images[picture]
            assert image is not None
            its["url"] = base + image["url"]
        else:
            path = picture_path(service.jobs.store.files(job.id), picture)
            file = rendered(path, side, body.kind, body.output_compression)
            its["b64_json"] = base64.b64encode(file).decode()
        data.append(its)
    said = body.safety_identifier or body.user
    return {
        "created": int(time.time()),
        "data": data,
        "background": "opaque",
        "output_format": body.kind,
        "quality": body.quality or "auto",
        "size": f"{side}x{side}",
        "usage": usage(service, job, job.num_pictures),
        **({"safety_identifier": said} if said else {}),
    }


def _model(service: Service) -> dict[str, Any]:
    name = service.cascade.config.name
    return {"id": name, "object": "model", "created": service.started, "owned_by": "ediffi"}


def _files(form: FormData) -> list[UploadFile]:
    given = [item for name in ("image", "image[]") for item in form.getlist(name)]
    for item in given:
        if not isinstance(item, UploadFile):
            raise ApiError(400, "image: send pictures as files", param="image")
    return [item for item in given if isinstance(item, UploadFile)]


def _fields(form: FormData) -> dict[str, Any]:
    """Form fields as JSON values: numbers, lists and objects are written in JSON."""
    out: dict[str, Any] = {}
    for name, text in form.multi_items():
        if name in ("image", "image[]") or not isinstance(text, str):
            continue
        out[name] = text
        if name not in ("prompt", "model", "size", "user", "safety_identifier", "sampler"):
            try:
                out[name] = json.loads(text)
            except (ValueError, RecursionError):
                pass
    return out


async def _data_uri(file: UploadFile) -> str:
    return f"data:image;base64,{base64.b64encode(await file.read()).decode()}"
