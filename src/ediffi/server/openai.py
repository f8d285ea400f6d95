"""OpenAI's images API: what its parameters mean to a cascade.

Parameters beside OpenAI's own: seed, steps, guidance, sampler, regions, style, style_strength and
anyway, see `ediffi.model.Request`.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ediffi.core.errors import UserError
from ediffi.core.pictures import is_data_uri
from ediffi.model import ModelConfig
from ediffi.server.errors import ApiError

ALIAS = "gpt-image"  # names that begin so mean the model that is served, for existing clients
STEPS = {"low": 0.5, "medium": 1.0, "auto": 1.0, "high": 2.0, "xhigh": 3.0, "max": 4.0}
Kind = Literal["png", "jpeg", "webp"]
Quality = Literal["auto", "low", "medium", "high", "xhigh", "max"]
OneOrEach = int | float | list[int | float]


class GenerateBody(BaseModel):
    """`POST /v1/images/generations`. Null is the same as not given.

    size: WxH, a square up to the largest that the model draws, or auto for that one; quality: how
    many steps, medium is the model's own; style: a style's name, or a picture as a data URI;
    user, safety_identifier: given back, nothing else is done with them.
    """

    model_config = ConfigDict(extra="forbid")

    prompt: str = Field(min_length=1)
    model: str | None = None
    n: Annotated[int, Field(ge=1, le=10)] | None = None
    size: str | None = None
    quality: Quality | None = None
    output_format: Kind | None = None
    output_compression: Annotated[int, Field(ge=0, le=100)] | None = None
    response_format: Literal["url", "b64_json"] | None = None
    background: Literal["opaque", "auto"] | None = None
    moderation: Literal["auto"] | None = None
    stream: bool | None = None
    partial_images: Annotated[int, Field(ge=0, le=3)] | None = None
    user: str | None = None
    safety_identifier: str | None = None

    seed: int | None = None
    steps: OneOrEach | None = None
    guidance: OneOrEach | None = None
    sampler: str | None = None
    regions: dict[str, Any] | None = None
    style: str | dict[str, Any] | None = None
    style_strength: float | None = None
    anyway: bool | None = None

    @model_validator(mode="after")
    def _check(self) -> GenerateBody:
        if self.partial_images and not self.stream:
            raise ApiError(400, "partial_images needs stream: true", param="partial_images")
        if self.output_compression is not None and self.kind == "png":
            raise ApiError(
                400,
                "output_compression is of jpeg and webp: give output_format, too",
                param="output_compression",
            )
        return self

    @property
    def kind(self) -> Kind:
        return self.output_format or "png"


def parsed(value: Any) -> GenerateBody:
    """The body of a JSON value.

    Raises:
        ApiError: a parameter that is missing, unknown, not supported or out of range, by name.
    """
    try:
        return GenerateBody.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        param = str(first["loc"][0]) if first["loc"] else None
        if first["type"] == "extra_forbidden":
            message = f"the parameter {(param or '')[:60]!r} is not supported here"
            raise ApiError(400, message, param=param, code="unsupported_parameter") from error
        message = f"{param or 'the body'}: {first['msg']}"
        raise ApiError(400, message, param=param, code="invalid_value") from error


def check_model(name: str | None, config: ModelConfig) -> None:
    """Raises ApiError: 404, no such model."""
    if name is not None and name != config.name and not name.startswith(ALIAS):
        raise ApiError(
            404,
            f"the model {name[:60]!r} does not exist: this server has {config.name!r}, which also "
            f"goes by names that begin with {ALIAS}",
            param="model",
            code="model_not_found",
        )


def resolution(size: str | None, config: ModelConfig) -> tuple[int, int]:
    """The side of the picture that is asked for, and of the smallest one drawn that it can be made
    from.

    Raises:
        ApiError: 400 naming the nearest size there is.
    """
    drawn = [stage.resolution for stage in config.stages]
    if size is None or size == "auto":
        return drawn[-1], drawn[-1]
    width, _, height = size.partition("x")
    if not (width.isdecimal() and height.isdecimal()) or len(size) > 20:
        raise ApiError(400, f"size: {size[:40]!r} is not WIDTHxHEIGHT or auto", param="size")
    sides = int(width), int(height)
    nearest = min(max(*sides, 16), drawn[-1])
    if sides != (nearest, nearest):
        raise ApiError(
            400,
            f"size: {config.name} draws squares of 16 to {drawn[-1]} pixels; the nearest to "
            f"{size} is {nearest}x{nearest}",
            param="size",
            code="unsupported_size",
        )
    return nearest, next(side for side in drawn if side >= nearest)


def request_of(body: GenerateBody, config: ModelConfig, pictures: Sequence[str] = ()) -> bytes:
    """The request, as JSON, that it stands for. pictures: data URIs, references of an edit.

    Raises:
        ApiError: a style that the model does not have.
    """
    _, drawn = resolution(body.size, config)
    stages = [stage for stage in config.stages if stage.resolution <= drawn]
    prompt, style = _styled(body, config)
    steps = body.steps
    if steps is None and (factor := STEPS[body.quality or "auto"]) != 1:
        steps = [max(1, round(stage.sampling.num_steps * factor)) for stage in stages]
    asked = {
        "prompts": [prompt],
        "seeds": [secrets.randbelow(2**31) if body.seed is None else body.seed],
        "num_images": body.n,
        "stop_at": drawn,
        "num_steps": steps,
        "guidance_scale": body.guidance,
        "sampler": body.sampler,
        "regions": body.regions,
        "style": {"pictures": list(pictures)} if pictures else style,
        "style_strength": body.style_strength,
        "anyway": bool(body.anyway),
    }
    return json.dumps({key: value for key, value in asked.items() if value is not None}).encode()


def _styled(body: GenerateBody, config: ModelConfig) -> tuple[str, str | dict[str, Any] | None]:
    """The prompt with the style that is named, and the reference that is given."""
    if not isinstance(body.style, str) or is_data_uri(body.style):
        return body.prompt, body.style
    phrases = config.looks.get(body.style)
    if phrases is None:
        raise ApiError(
            400,
            f"style: {config.name} has no style {body.style[:40]!r}: it has "
            f"{', '.join(config.looks) or 'none'}. Or give a picture as data:image/png;base64,...",
            param="style",
        )
    return f"{body.prompt}, {phrases[0]}", None


PARAMS = {
    "prompts": "prompt",
    "num_images": "n",
    "num_steps": "steps",
    "guidance_scale": "guidance",
    "seeds": "seed",
    "stop_at": "size",
}


def in_their_words(error: UserError) -> ApiError:
    """What is wrong with a request, by the name of the parameter here."""
    text = str(error)
    field = next((field for field in PARAMS if text.startswith(field)), None)
    of_prompt = "prompt" in text or text.startswith("nothing is known")
    param = PARAMS.get(field or "", "prompt" if of_prompt else None)
    return ApiError(400, text, param=param, code="invalid_request")
