"""Pictures to files that say how they were made, and back.

The order is fixed: pixels, then metadata that people and programs can read, then the signature,
which covers both, so that any later change is seen.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

import ediffi
from ediffi.core.errors import UserError, note
from ediffi.core.files import write_atomically
from ediffi.trust.manifest import Ingredient, sign, source_type
from ediffi.trust.provenance import Provenance, user_provenance
from ediffi.trust.xmp import read_xmp_parameters, write_xmp

READABLE, MACHINE = "parameters", "ediffi"  # names of a PNG's two text chunks
PNG_XMP = "XML:com.adobe.xmp"
FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
QUALITY = 92  # of JPEG and WebP
JPEG_XMP = 60_000  # bytes that fit into JPEG's one segment


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
    data = encode_picture(
        image,
        FORMATS[path.suffix.lower()],
        parameters,
        title=path.name,
        ingredients=ingredients,
        provenance=user_provenance(),
    )
    write_atomically(path, data)


def encode_picture(
    image: NDArray[np.uint8],
    kind: str,
    parameters: dict[str, Any],
    *,
    title: str = "",
    ingredients: Sequence[Ingredient] = (),
    provenance: Provenance | None = None,
) -> bytes:
    """The file that `save_picture` writes. kind: "PNG", "JPEG" or "WEBP"."""
    data = _encode(image, kind, parameters, ingredients)
    if provenance is None:
        return data
    return sign(
        data,
        f"image/{kind.lower()}",
        provenance.keys,
        parameters,
        title=title,
        ingredients=ingredients,
        prompts=provenance.prompts,
    )


def _encode(
    image: NDArray[np.uint8],
    kind: str,
    parameters: dict[str, Any],
    ingredients: Sequence[Ingredient],
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
    picture.save(buffer, kind, quality=QUALITY, xmp=xmp)
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
        with Image.open(path) as image:
            image.load()
            text = parameters_text(image.info)
            if text is None:
                raise UserError(f"{path} does not say how it was made: no {MACHINE!r} text")
            found: dict[str, Any] = json.loads(text)
    except UserError:
        raise
    except (OSError, SyntaxError, ValueError) as error:
        raise UserError(f"cannot read {path}: {error}") from error
    return found


def parameters_text(info: dict[Any, Any]) -> str | None:
    """The JSON among what Pillow read beside the pixels."""
    if MACHINE in info:
        return str(info[MACHINE])
    return read_xmp_parameters(xmp_text(info))


def xmp_text(info: dict[Any, Any]) -> str:
    """The XMP packet among what Pillow read beside the pixels; empty if there is none."""
    found = info.get(PNG_XMP) or info.get("xmp") or ""
    return found.decode("utf-8", "replace") if isinstance(found, bytes) else str(found)


def readable(parameters: dict[str, Any]) -> str:
    """The prompt, then one "name: value" line for everything else; groups are put in brackets."""
    lines = [str(parameters["prompt"])] if "prompt" in parameters else []
    for name, value in parameters.items():
        if name == "prompt" or value is None:
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
