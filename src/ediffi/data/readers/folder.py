"""A folder in which every picture has a file of captions of the same name: fox.png, fox.txt."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from ediffi.data.readers.record import (
    MAX_TEXT,
    PICTURES,
    Dropped,
    Item,
    Unusable,
    find_file,
    readable,
)
from ediffi.data.readers.sidecar import LINES, SIDECARS, read_sidecars


def read_folder(root: Path) -> Iterator[Item]:
    """All pictures under `root`, with captions as `read_sidecars` finds them.

    Hidden files, and files that are neither pictures nor captions, are passed over.
    """
    errors: list[OSError] = []
    for place, folders, files in os.walk(root, onerror=errors.append):
        links = [name for name in sorted(folders) if os.path.islink(os.path.join(place, name))]
        for name in links:
            full = os.path.relpath(os.path.join(place, name), root)
            yield Dropped(readable(full), "outside the folder", "a link to a folder: not followed")
        folders[:] = sorted(f for f in folders if f not in links and not f.startswith("."))
        below = Path(place).relative_to(root)
        shown = [below / name for name in sorted(files) if not name.startswith(".")]
        yield from _one_folder(root, shown)
    for error in errors:
        yield Dropped(readable(error.filename), "unreadable folder", error.strerror or "")


def _one_folder(root: Path, files: list[Path]) -> Iterator[Item]:
    """files: of one folder, as paths below `root`, in order."""
    said: dict[str, list[Path]] = {}
    for path in files:
        if path.suffix.lower() in SIDECARS:
            said.setdefault(path.stem, []).append(path)
    captioned = set()
    for path in files:
        suffix = path.suffix.lower()
        lines = [p for p in said.get(path.stem, ()) if p.suffix.lower() in LINES]
        # whatever has a text file is taken for a picture: what it is not will be said
        if suffix in PICTURES or (lines and suffix not in SIDECARS):
            captioned.add(path.stem)
            yield _item(root, path, said.get(path.stem, []))
    for stem in sorted(said.keys() - captioned):
        for path in said[stem]:
            if path.suffix.lower() in LINES:
                yield Dropped(readable(path), "no picture")


def _item(root: Path, picture: Path, sidecars: list[Path]) -> Item:
    name = readable(picture)
    if not sidecars:
        detail = f"there is no {readable(picture.stem)}.txt beside it"
        return Dropped(name, "no caption", detail)
    try:
        path = find_file(root, str(picture))
        row = read_sidecars({p.suffix.lower(): _read(root, p) for p in sidecars})
        return row.record(name, path)
    except Unusable as error:
        return Dropped(name, *error.args)


def _read(root: Path, path: Path) -> bytes:
    try:
        with find_file(root, str(path)).open("rb") as file:
            data = file.read(MAX_TEXT + 1)
    except OSError as error:
        raise Unusable("missing file", str(error)) from error
    if len(data) > MAX_TEXT:
        raise Unusable("caption too long", f"{readable(path.name)} is no caption file")
    return data
