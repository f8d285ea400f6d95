"""Pictures to files that say how they were made, and back.

The order is fixed: the mark in the pixels, then metadata that people and programs can read, then
the signature, which covers both, so that any later change is seen.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

import ediffi
from ediffi.core.errors import UserError, note
from ediffi.core.files import write_atomically
from ediffi.core.pictures import read_picture
from ediffi.trust.manifest import Ingredient, sign, source_type
from ediffi.trust.metadata import MACHINE, PNG_XMP, READABLE, read_metadata, write_xmp
from ediffi.trust.provenance import Provenance, user_provenance
from ediffi.trust.watermark.code import payload_of

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
QUALITY = 92  # of JPEG and WebP
JPEG_XMP = 60_000  # bytes that fit into JPEG's one segment
SMALLEST_MARKED = 256  # pixels a side; drafts are not marked
PLAIN = Provenance()


def check_name(path: Path) -> None:
    """Raises UserError: no name of a PNG, JPEG or WebP."""
    if path.suffix.lower() not in FORMATS:
        kinds = ", ".join(kind for kind in FORMATS if kind != ".jpeg")
        raise UserError(f"pictures are written as {kinds}: name the output {path.stem}.png")


def save_picture(
    path: Path,
    image: NDArray[np.uint8],
    parameters: dict[str, Any],
    *,
    ingredients: Sequence[Ingredient] = (),
) -> None:
    """Write (H, W, 3) pixels and how they were made as the name's ending says, signed with the
    user's keys (see `user_provenance`); `path` is whole or not there at all.

    parameters: JSON values; "prompt", "model" and "model_hash" have a meaning. ingredients:
    files that the picture was made from, whose own marks are kept.

    Raises:
        UserError: no name of a picture, or the file cannot be written.
    """
    check_name(path)
    kind, provenance = FORMATS[path.suffix.lower()], user_provenance()
    about: dict[str, Any] = {"title": path.name, "ingredients": ingredients}
    try:
        data = encode_picture(image, kind, parameters, **about, provenance=provenance)
    except UserError as error:  # the picture is worth more than its signature
        note(f"{path} is not signed: {error}")
        unsigned = replace(provenance, keys=None)
        data = encode_picture(image, kind, parameters, **about, provenance=unsigned)
    write_atomically(path, data)


def encode_picture(
    image: NDArray[np.uint8],
    kind: str,
    parameters: dict[str, Any],
    *,
    title: str = "",
    ingredients: Sequence[Ingredient] = (),
    provenance: Provenance = PLAIN,
    quality: int | None = None,
) -> bytes:
    """The file that `save_picture` writes. kind: "PNG", "JPEG" or "WEBP"; quality: 0 to 100, of
    JPEG and WebP."""
    payload = None
    if provenance.watermark is not None and min(image.shape[:2]) >= SMALLEST_MARKED:
        payload = payload_of(str(parameters.get("model_hash", "")), image)
        image = provenance.watermark.embed(image, payload)
    data = _encode(image, kind, parameters, ingredients, QUALITY if quality is None else quality)
    if provenance.keys is None:
        return data
    return sign(
        data,
        f"image/{kind.lower()}",
        provenance.keys,
        parameters,
        title=title,
        ingredients=ingredients,
        prompts=provenance.prompts,
        watermark=payload.text if payload is not None else None,
    )


def _encode(
    image: NDArray[np.uint8],
    kind: str,
    parameters: dict[str, Any],
    ingredients: Sequence[Ingredient],
    quality: int,
) -> bytes:
    picture, buffer = Image.fromarray(image), io.BytesIO()
    machine = json.dumps(parameters, ensure_ascii=False)
    about = source_type(ingredients), f"ediffi {ediffi.__version__}"
    if kind == "PNG":
        text = PngInfo()
        text.add_itxt(READABLE, readable(parameters))
        text.add_itxt(MACHINE, machine)
        text.add_itxt(PNG_XMP, write_xmp(*about))
        picture.save(buffer, kind, pnginfo=text, compress_level=4)
        return buffer.getvalue()
    xmp = write_xmp(*about, description=readable(parameters), parameters=machine).encode()
    if kind == "JPEG" and len(xmp) > JPEG_XMP:
        note("how the picture was made is too long for a JPEG: it does not tell it")
        xmp = write_xmp(*about).encode()
    picture.save(buffer, kind, quality=quality, xmp=xmp)
    return buffer.getvalue()


def check_writable(path: Path) -> None:
    """Find out before the work whether `path` can be written after it.

    Raises:
        UserError: its folder is missing or read-only, or `path` is itself a folder.
    """
    if os.path.isdir(path):  # unlike Path.is_dir, False for impossible names
        raise UserError(f"cannot write {path}: it is a folder. Give the name of a file in it")
    if not os.path.isdir(path.parent):
        raise UserError(f"cannot write {path}: there is no folder {path.parent}")
    probe = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from error


def read_parameters(path: Path) -> dict[str, Any]:
    """How a picture was made, as given to `save_picture`.

    Raises:
        UserError: not a picture, or not one with ediffi's parameters.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    read_picture(data, str(path))
    parameters = read_metadata(data).parameters
    if parameters is None:
        raise UserError(f"{path} does not say how it was made: no {MACHINE!r} text")
    return parameters


def readable(parameters: dict[str, Any]) -> str:
    """The prompt, then one "name: value" line for everything else; groups are put in brackets.
    A server's "request" is for programs."""
    lines = [str(parameters["prompt"])] if "prompt" in parameters else []
    for name, value in parameters.items():
        if name in ("prompt", "request") or value is None:
            continue
        if isinstance(value, list):
            lines += [f"{name}: {_flat(item)}" for item in value]
        else:
            lines.append(f"{name}: {_flat(value)}")
    return "\n".join(lines)


def _flat(value: Any) -> str:
    if not isinstance(value, dict):
        return str(value)
    return ", ".join(f"{key} {inner}" for key, inner in value.items() if inner is not None)
