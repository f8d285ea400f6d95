"""Pictures to PNG files that say in words how they were made, and back."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ediffi.core.errors import UserError
from ediffi.core.files import write_atomically

READABLE, MACHINE = "parameters", "ediffi"  # names of the two text chunks


def save_png(path: Path, image: NDArray[np.uint8], parameters: dict[str, Any]) -> None:
    """Write (H, W, 3) pixels and how they were made; `path` is whole or not there at all.

    parameters: JSON values. "prompt" and the rest become readable lines in the text chunk
    `parameters`, all of it JSON in the text chunk `ediffi`.

    Raises:
        UserError: the file cannot be written.
    """
    text = PngInfo()
    text.add_itxt(READABLE, readable(parameters))
    text.add_itxt(MACHINE, json.dumps(parameters, ensure_ascii=False))
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG", pnginfo=text, compress_level=4)
    write_atomically(path, buffer.getvalue())


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
    """How a picture was made, as given to `save_png`.

    Raises:
        UserError: not a picture, or not one with ediffi's parameters.
    """
    try:
        with Image.open(path) as image:
            image.load()
            found: dict[str, Any] = json.loads(image.info[MACHINE])
    except KeyError as error:
        raise UserError(f"{path} does not say how it was made: no {MACHINE!r} text") from error
    except (OSError, SyntaxError, ValueError) as error:
        raise UserError(f"cannot read {path}: {error}") from error
    return found


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
