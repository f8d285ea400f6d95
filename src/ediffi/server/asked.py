"""A request as it comes: looked through before anything is read from it, and put back together."""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from PIL import Image

from ediffi.core.errors import UserError
from ediffi.core.pictures import FORMATS, data_uri_bytes, is_data_uri
from ediffi.model.request import Request
from ediffi.server.settings import Limits

SHORT = 64_000  # characters of a picture that is kept whole where a request is shown or embedded


def read_request(body: bytes, limits: Limits) -> Request:
    """The request in a JSON body.

    Raises:
        UserError: no request, or one that asks for more than the limits allow.
    """
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise UserError(f"the body is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise UserError('the body is no JSON object: {"prompts": ["a red fox"], ...}')
    _check_pictures(value, limits)
    _check_lengths(value, limits)
    request = Request.from_json(body)
    if request.num_pictures > limits.pictures:
        raise UserError(
            f"num_images: {request.num_pictures} pictures are asked for, at most "
            f"{limits.pictures} in one request"
        )
    for steps in request.num_steps or ():
        if steps > limits.steps:
            raise UserError(f"num_steps: {steps}, at most {limits.steps} here")
    return request


def _check_pictures(value: Any, limits: Limits) -> None:
    """Pictures may be few bytes and many pixels: their headers say how many."""
    pixels = count = 0
    for uri in _uris(value):
        count += 1
        if count > limits.references:
            raise UserError(f"more than {limits.references} pictures in one request")
        pixels += _pixels(data_uri_bytes(uri, "a picture"))
        if pixels > limits.pixels:
            raise UserError(
                f"the pictures of a request have at most {limits.pixels:,} pixels together. "
                "Shrink them first"
            )


def _uris(value: Any) -> Iterator[str]:
    stack = [value]
    while stack:
        item = stack.pop()
        if is_data_uri(item):
            yield item
        elif isinstance(item, dict):
            stack += item.values()
        elif isinstance(item, list):
            stack += item


def _pixels(data: bytes) -> int:
    """By the header; 0 for what is no picture, which is found out later."""
    Image.init()
    known = [kind for kind in FORMATS if kind in Image.OPEN]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), "r", known) as picture:
                return picture.width * picture.height
    except Exception:
        return 0


def _check_lengths(value: dict[str, Any], limits: Limits) -> None:
    prompts = value.get("prompts")
    for prompt in prompts if isinstance(prompts, list) else [prompts]:
        if isinstance(prompt, str) and len(prompt) > limits.prompt:
            raise UserError(
                f"prompts: {len(prompt):,} characters, at most {limits.prompt:,} here. "
                "Shorten it to a sentence or two"
            )


def shown(body: bytes) -> Any:
    """A request to be looked at: long pictures are told by their size."""

    def short(uri: str) -> str:
        return f"{uri.partition(',')[0]},... ({len(uri):,} characters)"

    return _mapped(json.loads(body), lambda uri: uri if len(uri) <= SHORT else short(uri))


def of_one(asked: dict[str, Any], picture: int, seed: int) -> dict[str, Any]:
    """The request, as JSON, that draws one picture of those that a request asks for.

    picture: its number. What is given for each prompt is taken for its own; pictures that are too
    long to be embedded in a file are left out, with the field that they belong to.
    """
    value = dict(asked)
    prompt = picture // int(value.get("num_images") or 1)
    for field in ("prompts", "style", "regions"):
        each = value.get(field)
        if isinstance(each, list) and each:
            value[field] = each[prompt] if prompt < len(each) else each[0]
    value |= {"seeds": [seed], "num_images": 1}
    if isinstance(value.get("prompts"), str):
        value["prompts"] = [value["prompts"]]
    return {
        field: given
        for field, given in value.items()
        if given is not None and sum(map(len, _uris(given))) <= SHORT
    }


def _mapped(value: Any, uri: Callable[[str], str]) -> Any:
    if isinstance(value, dict):
        return {key: _mapped(item, uri) for key, item in value.items()}
    if isinstance(value, list):
        return [_mapped(item, uri) for item in value]
    return uri(value) if is_data_uri(value) else value
