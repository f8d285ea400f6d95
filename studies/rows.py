"""Fixed lists of what is drawn, committed before the weights that they judge: a JSON object a
line."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from ediffi.core.errors import UserError
from ediffi.core.files import make_folder, write_atomically

AnyList = Path | Traversable


class Row(BaseModel):
    """One line. what: such rows, for messages."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    what: ClassVar[str] = "rows"

    @classmethod
    def read(cls, path: AnyList) -> list[Self]:
        """The inverse of `write_rows`.

        Raises:
            UserError: the file cannot be read, or a line is no such row.
        """
        try:
            lines = path.read_text().splitlines()
            return [cls.model_validate(json.loads(line)) for line in lines if line]
        except OSError as error:
            raise UserError(f"cannot read the {cls.what} in {path}: {error.strerror}") from error
        except (ValueError, ValidationError) as error:
            raise UserError(f"{path} is no list of {cls.what}: {error}") from error


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """Write the list, whole or not at all."""
    make_folder(path.parent)
    write_atomically(path, "".join(row.model_dump_json() + "\n" for row in rows).encode())


def committed(name: str) -> Traversable:
    """A list of this folder."""
    return resources.files("studies").joinpath(name)


def list_facts(path: AnyList) -> dict[str, str]:
    """Which list it was, for the protocol."""
    return {"list": path.name, "list_sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
