"""What is known of every picture of a collection, for those who look through all of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image

from ediffi.core.pictures import read_picture
from ediffi.data.importing import REPORT
from ediffi.data.shard_set import ShardSet


@dataclass(frozen=True)
class Entry:
    """One picture as its collection describes it.

    name: as the collection calls it; licence: as it is written there; side: of its shorter side,
    pixels, None for a vector, which has any size; concept, style, theme: None where nobody knows;
    attribution: the words that its licence asks for, "" where none are known.
    """

    name: str
    source: str
    licence: str
    captions: tuple[str, ...]
    side: int | None = None
    concept: str | None = None
    style: str | None = None
    theme: str | None = None
    attribution: str = ""


@dataclass(frozen=True)
class StoredFile:
    """A file of a collection. media: its type, e.g. application/x-tar."""

    name: str
    media: str
    sha256: str
    size: int


@dataclass(frozen=True)
class Files:
    """How a collection lies on a disk, for its description.

    tables: the files, by name, in which its records are. members: which text files of these
    archives are captions, a pattern; None where a table is no archive but JSON. fields: what a
    record tells, and where: a property of the text file, or a JSON path.
    """

    stored: tuple[StoredFile, ...]
    tables: tuple[str, ...]
    members: str | None
    fields: Mapping[str, str]


class Entries(Protocol):
    """The pictures of a collection by number, in an order that does not change.

    name: of the collection; fingerprint: equal only for the same pictures; about: what is known of
    how they came together, by fields of `policy.About`; files: how they are kept.
    """

    name: str
    fingerprint: str
    about: Mapping[str, Any]
    files: Files

    def __len__(self) -> int: ...

    def entry(self, number: int) -> Entry: ...

    def picture(self, number: int) -> Image.Image:
        """RGB, on white, at its own size or a vector at about 256 pixels."""

    def file(self, number: int) -> bytes:
        """The picture's file as it is kept; of a vector its source."""


class ShardEntries:
    """The pictures of a folder of shards, in the order in which they are stored."""

    def __init__(self, path: Path) -> None:
        """Raises UserError: it is no folder of shards, or a damaged one."""
        self.shards = ShardSet(path)
        self.name, self.fingerprint = path.resolve().name, self.shards.fingerprint
        self.about: Mapping[str, Any] = _imported(path / REPORT)
        stored = tuple(
            StoredFile(shard["file"], "application/x-tar", shard["sha256"], shard["bytes"])
            for shard in self.shards.manifest["shards"]
        )
        fields = {"file": "fullpath", "caption": "content"}
        self.files = Files(stored, tuple(file.name for file in stored), "*.txt", fields)
        self._places = np.argsort(self.shards.order)  # of a stored number in the shuffled order

    def __len__(self) -> int:
        return len(self.shards)

    def entry(self, number: int) -> Entry:
        record, file = self.shards.stored(int(self._places[number]))
        return Entry(
            name=record.name,
            source=record.source or "",
            licence=record.licence or "",
            captions=record.captions,
            side=min(file.size),
            concept=record.cells[0][0] if len(record.cells) == 1 else None,
            style=record.cells[0][1] if record.cells else None,
        )

    def picture(self, number: int) -> Image.Image:
        record, file = self.shards.stored(int(self._places[number]))
        return read_picture(file.data, record.name).image

    def file(self, number: int) -> bytes:
        return self.shards.stored(int(self._places[number]))[1].data


def _imported(report: Path) -> dict[str, Any]:
    """What `ediffi data import` says of how the pictures were chosen."""
    if not report.is_file():
        return {}
    facts = json.loads(report.read_text())
    reasons = ", ".join(f"{reason}: {count:,}" for reason, count in facts["dropped"].items())
    return {
        "collection": f"{facts['kept']:,} of {facts['found']:,} pictures of a collection were kept"
        + (f"; dropped: {reasons}" if reasons else "")
        + f". Filters: {json.dumps(facts['filters'])}."
    }
