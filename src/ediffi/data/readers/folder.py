"""A folder in which every picture has a text file of the same name: fox.png, fox.txt."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from ediffi.data.readers.record import (
    MAX_CAPTION,
    PICTURES,
    Dropped,
    Item,
    Unusable,
    checked_file,
    make_record,
    readable,
)


def read_folder(root: Path) -> Iterator[Item]:
    """All pictures under `root`; every line of a text file is one caption.

    Hidden files, and files that are neither pictures nor captions, are passed over.
    """
    errors: list[OSError] = []
    for place, folders, files in os.walk(root, onerror=errors.append):
        links = [name for name in sorted(folders) if os.path.islink(os.path.join(place, name))]
        for name in links:
            full = os.path.relpath(os.path.join(place, name), root)
            yield Dropped(readable(full), "outside the folder", "a link to a folder: not followed")
        folders[:] = sorted(f for f in folders if f not in links and not f.startswith("."))
        yield from _one_folder(root, Path(place), [f for f in files if not f.startswith(".")])
    for error in errors:
        yield Dropped(readable(error.filename), "unreadable folder", error.strerror or "")


def _one_folder(root: Path, place: Path, files: list[str]) -> Iterator[Item]:
    texts = {Path(name).stem: name for name in files if Path(name).suffix.lower() == ".txt"}
    captioned = set()
    for name in sorted(files):
        path = place / name
        shown = readable(path.relative_to(root))
        if path.suffix.lower() == ".txt":
            continue
        if path.stem in texts:
            captioned.add(path.stem)
            yield _pair(root, shown, path, place / texts[path.stem])
        elif path.suffix.lower() in PICTURES:
            yield Dropped(shown, "no caption", f"there is no {readable(path.stem)}.txt beside it")
    for stem in sorted(texts.keys() - captioned):
        yield Dropped(readable((place / texts[stem]).relative_to(root)), "no picture")


def _pair(root: Path, shown: str, picture: Path, text: Path) -> Item:
    try:
        checked_file(root, picture)
        with checked_file(root, text).open("rb") as file:
            data = file.read(20 * MAX_CAPTION + 1)
        if len(data) > 20 * MAX_CAPTION:
            raise Unusable("caption too long", f"{readable(text.name)} is no caption file")
        lines = data.decode("utf-8-sig").splitlines()
    except Unusable as error:
        return Dropped(shown, *error.args)
    except UnicodeDecodeError as error:
        detail = f"{readable(text.name)}, byte {error.start}"
        return Dropped(shown, "caption is not UTF-8", detail)
    except OSError as error:
        return Dropped(shown, "missing file", str(error))
    return make_record(shown, picture, lines)
