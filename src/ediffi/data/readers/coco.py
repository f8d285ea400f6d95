"""COCO: one JSON of images and annotations, beside a folder of pictures."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ediffi.core.errors import UserError
from ediffi.data.readers.record import Dropped, Item, Unusable, checked_file, make_record


def read_coco(annotations: Path, root: Path) -> Iterator[Item]:
    """The images of a COCO file. All captions of an image are kept; where the file has boxes and
    no captions, the names of the things in the image, "dog, frisbee", are its caption.

    Raises:
        UserError: not a COCO file.
    """
    try:
        data = json.loads(annotations.read_bytes())
        images, marks = list(data["images"]), list(data["annotations"])
        categories = {c["id"]: c["name"] for c in data.get("categories", ())}
        licences = {c["id"]: c.get("name") for c in data.get("licenses", ())}
        captions: dict[Any, list[Any]] = defaultdict(list)
        things: dict[Any, list[str]] = defaultdict(list)
        for mark in marks:
            if "caption" in mark:
                captions[mark["image_id"]].append(mark["caption"])
            elif mark.get("category_id") in categories:
                things[mark["image_id"]].append(categories[mark["category_id"]])
    except OSError as error:
        raise UserError(f"cannot read {annotations}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(
            f"{annotations} is not a COCO file: it needs `images` and `annotations` ({error})"
        ) from error
    for number, image in enumerate(images):
        if not isinstance(image, dict) or not isinstance(image.get("file_name"), str):
            yield Dropped(f"image {number}", "bad row", "it has no file_name")
            continue
        texts = captions.get(image.get("id")) or [
            ", ".join(dict.fromkeys(things.get(image.get("id"), ())))
        ]
        about = {"licence": licences.get(image.get("license"))}
        try:
            path = checked_file(root, root / image["file_name"])
        except Unusable as error:
            yield Dropped(image["file_name"], *error.args)
            continue
        yield make_record(image["file_name"], path, texts, **about)
