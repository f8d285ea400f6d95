"""COCO: one JSON of images and annotations, beside a folder of pictures."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ediffi.core.errors import UserError
from ediffi.data.readers.record import (
    Captions,
    Dropped,
    FileName,
    Item,
    Label,
    M,
    Object,
    Row,
    Unusable,
    find_file,
    parse,
    readable,
)


class Image(Object):
    """A picture. license: an id."""

    id: Label
    file_name: FileName
    license: Label | None = None


class Annotation(Object):
    """A caption of an image, or a thing in it."""

    image_id: Label
    caption: Captions = ()
    category_id: Label | None = None


class Named(Object):
    """A category or a licence."""

    id: Label
    name: Label | None = None


def read_coco(annotations: Path, root: Path) -> Iterator[Item]:
    """The images of a COCO file. All captions of an image are kept; where the file has boxes and
    no captions, the names of the things in the image, "dog, frisbee", are its caption.

    Raises:
        UserError: not a COCO file.
    """
    data = _load(annotations)
    dropped: list[Dropped] = []
    categories = {c.id: c.name for c in _parsed(Named, data, "categories", dropped) if c.name}
    licences = {c.id: c.name for c in _parsed(Named, data, "licenses", dropped)}
    captions: dict[str, list[str]] = defaultdict(list)
    things: dict[str, dict[str, None]] = defaultdict(dict)  # each once, in order
    for mark in _parsed(Annotation, data, "annotations", dropped):
        if mark.caption:
            captions[mark.image_id] += mark.caption
        elif mark.category_id in categories:
            things[mark.image_id][categories[mark.category_id]] = None
    images = _parsed(Image, data, "images", dropped)
    yield from dropped
    for image in images:
        name = readable(image.file_name)
        said = captions.get(image.id) or ", ".join(things.get(image.id, ()))
        licence = licences.get(image.license) if image.license is not None else None
        try:
            path = find_file(root, image.file_name)
            yield parse(Row, {"captions": said, "licence": licence}).record(name, path)
        except Unusable as error:
            yield Dropped(name, *error.args)


def _load(annotations: Path) -> dict[str, Any]:
    try:
        data = json.loads(annotations.read_bytes())
        found = isinstance(data["images"], list) and isinstance(data["annotations"], list)
    except OSError as error:
        raise UserError(f"cannot read {annotations}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(
            f"{annotations} is not a COCO file: it needs `images` and `annotations` ({error})"
        ) from error
    if not found:
        raise UserError(f"{annotations} is not a COCO file: its images are no list of objects")
    return dict(data)


def _parsed(model: type[M], data: dict[str, Any], key: str, dropped: list[Dropped]) -> list[M]:
    """The good rows of one of the file's lists; the others are named in `dropped`."""
    rows = data.get(key) or []
    if not isinstance(rows, list):
        dropped.append(Dropped(key, "bad row", f"a list is due, not {type(rows).__name__}"))
        return []
    good = []
    for number, row in enumerate(rows):
        try:
            good.append(parse(model, row))
        except Unusable as error:
            file_name = row.get("file_name") if isinstance(row, dict) else None
            shown = f": {readable(file_name)}" if isinstance(file_name, str) else ""
            dropped.append(Dropped(f"{key} {number}{shown}", *error.args))
    return good
