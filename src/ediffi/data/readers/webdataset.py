"""WebDataset shards: .tar files in which the files of one example follow each other, under one key.

000017.jpg, 000017.txt and 000017.json belong together. Read as streams, one example at a time.
"""

from __future__ import annotations

import itertools
import json
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ediffi.data.readers.record import MAX_BYTES, PICTURES, Dropped, Item, make_record, readable

Files = dict[str, bytes]


def read_webdataset(shards: Sequence[Path]) -> Iterator[Item]:
    """The examples of some shards: a picture, with captions in .txt or .caption (one a line) or in
    a .json's `captions`, `caption` or `text`. Its `source`, `licence` and `cells` are kept."""
    for shard in shards:
        groups = itertools.groupby(_members(shard), key=lambda member: member[0])
        for key, members in groups:
            name = f"{shard.name}:{key}"
            if not key:  # what ended the shard
                yield Dropped(shard.name, "damaged shard", str(next(members)[2]))
                continue
            large = ""
            files: Files = {}
            for _, suffix, data in members:
                if isinstance(data, bytes):
                    files[suffix] = data
                else:
                    large = data
            yield Dropped(name, "too large", large) if large else _example(name, files)


def split_key(member: str) -> tuple[str, str]:
    """Key and suffix of a member's name, divided at the first dot of its last part.

    >>> split_key("train/0001.left.jpg")
    ('train/0001', '.left.jpg')
    """
    folder, _, base = member.rpartition("/")
    stem, _, rest = base.partition(".")
    return f"{folder}/{stem}" if folder else stem, f".{rest.lower()}"


def _members(shard: Path) -> Iterator[tuple[str, str, bytes | str]]:
    """Key, suffix and bytes of every file, or why its bytes are not read; a shard that ends badly
    gives an empty key last."""
    try:
        with tarfile.open(shard, "r|") as tar:
            for member in tar:
                if not member.isfile():  # links have no bytes of their own
                    continue
                key, suffix = split_key(member.name)
                if member.size > MAX_BYTES:
                    yield readable(key), suffix, f"{suffix}: {member.size:,} bytes"
                    continue
                file = tar.extractfile(member)
                yield readable(key), suffix, file.read() if file else b""
        with shard.open("rb") as rest:  # tarfile takes any bad header but the first for the end
            rest.seek(tar.offset)
            if rest.read(tarfile.BLOCKSIZE).strip(b"\0"):
                raise tarfile.ReadError(f"bad header at byte {tar.offset:,}")
    except (tarfile.TarError, OSError, EOFError, ValueError) as error:
        yield "", "", f"it ends here: {error}"


def _example(name: str, files: Files) -> Item:
    suffix = next((s for s in files if f".{s.rpartition('.')[2]}" in PICTURES), None)
    if suffix is None:
        return Dropped(name, "no picture", f"files: {', '.join(files)}")
    try:
        about = json.loads(files.get(".json", b"{}"))
        texts = _captions(files, about if isinstance(about, dict) else {})
    except UnicodeDecodeError as error:
        return Dropped(name, "caption is not UTF-8", str(error))
    except (ValueError, RecursionError) as error:
        return Dropped(name, "bad row", f".json: {error}")
    facts: dict[str, Any] = {}
    if isinstance(about, dict):
        licence = about.get("licence") or about.get("license")
        cells = about.get("cells") or ()
        facts = {
            "source": str(about["source"]) if about.get("source") else None,
            "licence": str(licence) if licence else None,
            "cells": tuple((str(hexcode), str(style)) for hexcode, style in cells),
        }
        name = str(about.get("name") or name)
    return make_record(name, files[suffix], texts, **facts)


def _captions(files: Files, about: dict[str, Any]) -> list[Any]:
    said = about.get("captions") or about.get("caption") or about.get("text")
    if said:
        return said if isinstance(said, list) else [said]
    return next((f.decode("utf-8-sig").splitlines() for s, f in files.items()
                 if s in (".txt", ".caption")), [])  # fmt: skip
