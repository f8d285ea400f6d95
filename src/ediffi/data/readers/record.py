"""What every reader gives: a picture and its captions, or why there is none."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MAX_CAPTION = 10_000  # characters
MAX_BYTES = 256_000_000  # of one picture's file

PICTURES = frozenset(
    ".png .jpg .jpeg .jpe .jfif .webp .gif .bmp .tif .tiff .avif .jp2 .ppm .pgm .tga .qoi".split()
)


@dataclass(frozen=True)
class Record:
    """One picture and what is said of it.

    name: how the collection calls it; picture: its file, or the file's bytes; source, licence: None
    where the collection does not say; cells: of the pictogram grid, (hexcode, style), if it is a
    scene made of them.
    """

    name: str
    picture: Path | bytes
    captions: tuple[str, ...]
    source: str | None = None
    licence: str | None = None
    cells: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Dropped:
    """An item that cannot be used. reason: a few words, for counting; detail: what was found."""

    name: str
    reason: str
    detail: str = ""


Item = Record | Dropped


class Unusable(Exception):
    """Raised by the helpers below with a reason and a detail; readers make it a `Dropped`."""


def make_record(name: str, picture: Path | bytes, texts: Iterable[Any], **about: Any) -> Item:
    """A record with tidy captions, or what is wrong with them. about: source, licence, cells."""
    try:
        captions = tuple(dict.fromkeys(filter(None, (_tidy(text) for text in texts))))
    except Unusable as error:
        return Dropped(name, *error.args)
    if not captions:
        return Dropped(name, "no caption")
    return Record(name, picture, captions, **about)


def _tidy(text: Any) -> str:
    if not isinstance(text, str):
        raise Unusable("caption is not text", f"it is {type(text).__name__}")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise Unusable("caption is not UTF-8", f"at character {error.start}") from error
    tidy = " ".join(text.split())
    if len(tidy) > MAX_CAPTION:
        raise Unusable("caption too long", f"{len(tidy):,} characters, at most {MAX_CAPTION:,}")
    return tidy


def checked_file(root: Path, path: Path) -> Path:
    """A plain file inside `root` (links are followed, but not out of it), of a sane size."""
    try:
        real = path.resolve()
        if not real.is_relative_to(root.resolve()):
            raise Unusable("outside the folder", f"it leads to {readable(real)}")
        if not real.exists():
            raise Unusable("missing file", f"there is no {readable(path)}")
        if not real.is_file():
            raise Unusable("not a file", readable(path))
        size = real.stat().st_size
    except (OSError, ValueError, RuntimeError) as error:  # loops of links, impossible names
        raise Unusable("missing file", str(error)) from error
    if size > MAX_BYTES:
        raise Unusable("too large", f"{size:,} bytes, at most {MAX_BYTES:,}")
    return path


def readable(path: str | Path) -> str:
    """A path that can be printed, whatever bytes are in its name."""
    return os.fsencode(path).decode("utf-8", "replace")
