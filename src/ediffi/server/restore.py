"""From what a picture file says of how it was made back to the request that makes it."""

from __future__ import annotations

import json
from typing import Any

from ediffi.core.errors import UserError
from ediffi.core.pictures import read_picture
from ediffi.model.request import Request
from ediffi.trust.metadata import read_metadata

GIVEN = ("start_from", "style", "regions")  # of which a file may name what it does not hold


def settings_of(file: bytes) -> tuple[dict[str, Any], tuple[str, ...]]:
    """A request as JSON, and what the file names but does not hold.

    Raises:
        UserError: no picture, or not one of ediffi's.
    """
    said = _parameters(file)
    request = said["request"] if isinstance(said.get("request"), dict) else _from_stages(said)
    missing = tuple(field for field in GIVEN if said.get(field) and field not in request)
    try:
        Request.from_json(json.dumps(request))
    except UserError as error:
        raise UserError(f"the picture's settings cannot be used: {error}") from error
    return request, missing


def _parameters(file: bytes) -> dict[str, Any]:
    read_picture(file, "the picture")
    said = read_metadata(file).parameters
    if not isinstance(said, dict):
        raise UserError("this picture does not say how it was made")
    return said


def _from_stages(said: dict[str, Any]) -> dict[str, Any]:
    """Of a file that the command line wrote: how each stage was sampled is all there."""
    stages = said.get("stages")
    if not isinstance(stages, list) or not stages:
        raise UserError("this picture does not say how it was made")
    try:
        found = {
            "prompts": [said["prompt"]] if said.get("prompt") else None,
            "seeds": [said["seed"]],
            "stop_at": stages[-1]["resolution"],
            "num_steps": [stage["num_steps"] for stage in stages],
            "guidance_scale": [stage["guidance_scale"] for stage in stages],
            "sampler": stages[0]["sampler"],
            "use": said["encoders"].split(", ") if said.get("encoders") else None,
            "looks": said.get("looks"),
            "dtype": said.get("dtype"),
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(f"this picture does not say all of how it was made: {error}") from error
    return {field: value for field, value in found.items() if value is not None}
