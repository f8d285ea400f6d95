"""What the server's own endpoints take and give, for its OpenAPI document."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from ediffi.model.request import Request
from ediffi.server.openai import GenerateBody
from ediffi.server.store import Status


class _Generate(GenerateJsonSchema):
    """Fields whose defaults are no JSON values are told without them, arrays not at all."""

    ignored_warning_kinds = {"non-serializable-default", "skipped-choice"}  # noqa: RUF012


def _json_body(schema: dict[str, Any], **example: Any) -> dict[str, Any]:
    content = {"application/json": {"schema": schema, "examples": {"one": {"value": example}}}}
    return {"requestBody": {"required": True, "content": content}}


def _multipart(schema: dict[str, Any]) -> dict[str, Any]:
    file = {"type": "string", "format": "binary"}
    properties = {**schema["properties"], "image": {"type": "array", "items": file}}
    whole = {**schema, "properties": properties, "required": ["prompt", "image"]}
    content = {"multipart/form-data": {"schema": whole}}
    return {"requestBody": {"required": True, "content": content}}


REQUEST_BODY = _json_body(
    Request.model_json_schema(schema_generator=_Generate), prompts=["a red fox"], num_images=4
)
GENERATE_BODY = _json_body(
    GenerateBody.model_json_schema(), prompt="a red fox on a light blue background", size="256x256"
)
EDIT_BODY = _multipart(GenerateBody.model_json_schema())


class ProgressInfo(BaseModel):
    """How far the stage of the slowest picture is, steps of all pictures together."""

    stage: str
    step: int
    num_steps: int
    experts: list[str]


class ImageInfo(BaseModel):
    """A finished picture. stages: what lower stages have drawn of it."""

    url: str
    seed: int
    width: int
    height: int
    prompt: str | None
    stages: dict[str, str]


class JobInfo(BaseModel):
    """A job. position: how many are drawn before it, itself included; 0 once it has begun.
    images: null where one is not there yet; request: as it came, long pictures told by their
    size."""

    id: str
    status: Status
    position: int
    created_at: float
    ended_at: float | None
    progress: ProgressInfo | None
    num_pictures: int
    images: list[ImageInfo | None]
    notes: list[str]
    request: dict[str, Any]
    error: str | None


class JobList(BaseModel):
    jobs: list[JobInfo]
