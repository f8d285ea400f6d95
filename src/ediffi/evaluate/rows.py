"""Fixed lists of what is drawn: one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from ediffi.core.errors import UserError
from ediffi.core.files import make_folder, write_atomically

R = TypeVar("R", bound=BaseModel)


def write_rows(path: Path, rows: Sequence[BaseModel]) -> None:
    """Write the list, whole or not at all."""
    make_folder(path.parent)
    write_atomically(path, "".join(row.model_dump_json() + "\n" for row in rows).encode())


def read_rows(path: Path | Traversable, kind: type[R], what: str) -> list[R]:
    """The inverse of `write_rows`. what: rows of that kind, for a message.

    Raises:
        UserError: the file cannot be read, or a line is no such row.
    """
    try:
        lines = path.read_text().splitlines()
        return [kind.model_validate(json.loads(line)) for line in lines if line]
    except OSError as error:
        raise UserError(f"cannot read the {what} in {path}: {error.strerror}") from error
    except (ValueError, ValidationError) as error:
        raise UserError(f"{path} is no list of {what}: {error}") from error
