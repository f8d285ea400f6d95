"""Files that are whole or not there at all, and their hashes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from ediffi.core.errors import UserError


def write_atomically(path: Path, data: bytes) -> None:
    """Write under a temporary name in the same folder, then move into place.

    Raises:
        UserError: the file cannot be written; what was there before is still there.
    """
    replace_all({path: data})


def replace_all(files: Mapping[Path, bytes]) -> None:
    """`write_atomically` for several files: all are written before the first is moved into place.

    They are moved in their order, so that the last one can vouch for the others.
    """
    temporary = {path: path.with_name(f".{path.name}.{os.getpid()}.part") for path in files}
    try:
        for path, data in files.items():
            with open(temporary[path], "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        for path in files:
            os.replace(temporary[path], path)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from error
    finally:
        for part in temporary.values():
            with suppress(OSError):  # most are moved; and no second error may hide the first
                part.unlink()


def make_folder(path: Path) -> None:
    """Make a folder, and those above it, unless it is there.

    Raises:
        UserError: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make the folder {path}: {error.strerror}") from error


def file_sha256(path: Path) -> str:
    """sha256 of one file, in hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
