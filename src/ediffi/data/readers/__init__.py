"""Collections of captioned pictures in the shapes people keep them in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ediffi.core.errors import UserError
from ediffi.data.readers.coco import read_coco
from ediffi.data.readers.folder import read_folder
from ediffi.data.readers.record import Dropped, Item, Record
from ediffi.data.readers.table import SEPARATORS, read_table
from ediffi.data.readers.webdataset import read_webdataset

__all__ = ["Dropped", "Item", "Record", "read"]


def read(source: Path, *, images: Path | None = None) -> Iterator[Item]:
    """The items of a collection, in an order that does not change.

    source: a folder of pictures with caption files, a folder of .tar shards or one of them, a
    .csv, .tsv or .jsonl table, or a COCO .json. images: the folder that a table's or a COCO file's
    pictures are in, by default the one it lies in itself.

    Raises:
        UserError: nothing of that kind is there, or it cannot be read at all.
    """
    if not source.exists():
        raise UserError(f"there is no {source}")
    suffix = source.suffix.lower()
    if source.is_dir():
        shards = sorted(source.glob("*.tar"))
        return read_webdataset(shards) if shards else read_folder(source)
    if suffix == ".tar":
        return read_webdataset([source])
    if suffix in SEPARATORS or suffix == ".jsonl":
        return read_table(source, images or source.parent)
    if suffix == ".json":
        return read_coco(source, images or source.parent)
    raise UserError(
        f"{source} is no collection: give a folder of pictures with captions, .tar shards, a "
        ".csv, .tsv or .jsonl table, or a COCO .json"
    )
