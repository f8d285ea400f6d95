"""What the model is, and what a prompt or a picture file means to it."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from ediffi.core.errors import UserError
from ediffi.server.about import described
from ediffi.server.attention import attention
from ediffi.server.errors import RESPONSES, ApiError
from ediffi.server.restore import settings_of
from ediffi.server.service import Client, TheService

router = APIRouter(prefix="/v1", tags=["model"], responses=RESPONSES)


@router.get("/model")
def model(service: TheService) -> dict[str, Any]:
    """Stages, styles, vocabulary, samplers and defaults of the model, and the server's limits."""
    limits, settings = asdict(service.settings.limits), service.settings
    kept = {"days": settings.days, "bytes": settings.kept_bytes}
    return described(service.cascade) | {"limits": limits, "retention": kept}


class Looked(BaseModel):
    """id: of a job; n: number of its picture."""

    id: str = Field(max_length=64)
    n: int = Field(default=0, ge=0, le=9999)


@router.post("/attention")
def where_words_went(service: TheService, client: Client, looked: Looked) -> dict[str, Any]:
    """Where each word of a picture's prompt went, by the first stage's attention: `map` is `size`
    (height, width) bytes in base64, 255 where any word was looked at most."""
    row = service.jobs.row(looked.id, client)
    return attention(service.jobs, service.words, row, looked.n)


class Typed(BaseModel):
    prompt: str = Field(max_length=10_000)


@router.post("/understand")
def understand(service: TheService, typed: Typed) -> dict[str, Any]:
    """What the model makes of a prompt: `text` is what it reads, `words` those of the prompt with
    something to say of them (positions are characters of the prompt as typed), `refusal` why
    nothing of it would be drawn."""
    most = service.settings.limits.prompt
    if len(typed.prompt) > most:
        raise ApiError(400, f"prompt: at most {most:,} characters", param="prompt")
    return service.words.understood(typed.prompt)


@router.post(
    "/settings",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"image/png": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def settings(request: Request) -> JSONResponse:
    """The request that draws a picture again, from what its PNG file says. The header X-Missing
    names what the file does not hold, such as a style's picture."""
    body = await request.body()
    try:
        asked, missing = await asyncio.to_thread(settings_of, body)
    except UserError as error:
        raise ApiError(400, str(error), code="no_settings") from error
    return JSONResponse(asked, headers={"X-Missing": ", ".join(missing)} if missing else {})
