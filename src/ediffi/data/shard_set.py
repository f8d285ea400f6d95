"""A folder of shards, opened: pictures by number, read where they lie."""

from __future__ import annotations

import hashlib
import json
import mmap
import tarfile
from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from ediffi.core.errors import UserError
from ediffi.core.pictures import read_picture, square
from ediffi.core.types import DataSource, Pixels
from ediffi.data.heldout import is_held_out
from ediffi.data.order import windowed
from ediffi.data.readers.record import PICTURES, Record
from ediffi.data.readers.webdataset import split_key
from ediffi.data.shards import MANIFEST, Encoded
from ediffi.diffusion import stable_hash

WINDOW = 16  # shards whose pictures are mixed
OPEN_SHARDS = 2 * WINDOW


class ShardSet:
    """The pictures of a folder that `ediffi data import` or `ediffi data shard` wrote.

    Picture i of an order that is shuffled once, by `seed`, a few shards at a time (`windowed`);
    numbers beyond the last start over.
    """

    def __init__(self, path: Path, *, min_size: int = 0, seed: int = 0) -> None:
        """min_size: only pictures whose shorter side has so many pixels.

        Raises:
            UserError: no such folder, damaged, or no picture is large enough.
        """
        self.path = path
        try:
            text = (path / MANIFEST).read_bytes()
            self.manifest = json.loads(text)
            self._shards = self.manifest["shards"]
            sizes = {
                s["file"]: ((path / s["file"]).stat().st_size, s["bytes"]) for s in self._shards
            }
            sides = [np.array(s["sides"], np.int64) for s in self._shards]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(
                f"{path} is no folder of shards ({error}): write one with `ediffi data import`"
            ) from error
        for file, (found, expected) in sizes.items():
            if found != expected:
                raise UserError(f"{path / file} has {found:,} bytes, {expected:,} are due")
        self.fingerprint = hashlib.sha256(text).hexdigest()
        self._ends = list(accumulate(s["pictures"] for s in self._shards))
        starts = [end - len(of_one) for end, of_one in zip(self._ends, sides, strict=True)]
        large = [
            start + np.flatnonzero(of_one >= min_size)
            for start, of_one in zip(starts, sides, strict=True)
        ]
        self.order = windowed(large, WINDOW, seed)
        if not len(self.order):
            most = max(int(of_one.max(initial=0)) for of_one in sides)
            raise UserError(
                f"{path} has no picture of at least {min_size} pixels: the largest has {most}"
            )
        self._shard = lru_cache(OPEN_SHARDS)(self._open)

    def __len__(self) -> int:
        return len(self.order)

    @property
    def identity(self) -> list[Any]:
        mixed = [] if len(self._shards) <= WINDOW else [WINDOW]  # else the order is that of all
        return ["shards", self.fingerprint, *mixed]

    def stored(self, index: int) -> tuple[Record, Encoded]:
        """What is known of picture `index`, and its file."""
        number = int(self.order[index % len(self.order)])
        which = bisect_right(self._ends, number)
        return self._shard(which)[number - (self._ends[which - 1] if which else 0)]

    def captions(self, index: int) -> Sequence[str]:
        return self.stored(index)[0].captions

    def pixels(self, index: int, size: int, *, crop: int | None = None, seed: int = 0) -> Pixels:
        """The middle square of picture `index`, resized; a window of it is anywhere in it."""
        record, file = self.stored(index)
        image = square(read_picture(file.data, record.name).image, size)
        if crop is not None:
            place = stable_hash("crop", seed, index)
            x, y = place % (size - crop + 1), place // 2**20 % (size - crop + 1)
            image = image.crop((x, y, x + crop, y + crop))
        return np.asarray(image)

    def name(self, index: int) -> str:
        return f"picture {self.order[index % len(self.order)]} of {self.fingerprint}"

    def style(self, index: int) -> str | None:
        cells = self.stored(index)[0].cells
        return cells[0][1] if cells else None

    def alone(self, index: int) -> bool:
        return len(self.stored(index)[0].cells) == 1

    def sources(self) -> tuple[DataSource, ...]:
        return tuple(DataSource(**source) for source in self.manifest["sources"])

    def taught(self) -> dict[str, Any]:
        return {"vocabulary": {}, "styles": (), "words": ()}  # nobody knows what captions say

    def _open(self, which: int) -> _Shard:
        entry = self._shards[which]
        return _Shard(self.path / entry["file"], entry["sha256"], entry["pictures"])


class _Shard:
    """One .tar file, mapped into memory: its hash is checked and its files are found once."""

    def __init__(self, path: Path, sha256: str, pictures: int) -> None:
        self.path = path
        try:
            with path.open("rb") as file:
                self._data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            found = hashlib.sha256(self._data).hexdigest()
            if found != sha256:
                raise UserError(f"{path} is damaged: sha256 is {found}, {sha256} was written")
            self._rows: dict[str, dict[str, tuple[int, int]]] = {}
            with tarfile.open(path) as tar:
                for member in tar:
                    key, suffix = split_key(member.name)
                    place = member.offset_data, member.offset_data + member.size
                    self._rows.setdefault(key, {})[suffix] = place
        except (OSError, ValueError, tarfile.TarError) as error:
            if isinstance(error, UserError):
                raise
            raise UserError(f"cannot read {path}: {error}") from error
        if len(self._rows) != pictures:
            raise UserError(f"{path} has {len(self._rows)} pictures, {pictures} are listed")
        self._keys = list(self._rows)

    def __getitem__(self, row: int) -> tuple[Record, Encoded]:
        places = self._rows[self._keys[row]]
        about = json.loads(self._data[slice(*places[".json"])])
        cells = tuple((hexcode, style) for hexcode, style in about.get("cells", ()))
        if any(is_held_out(hexcode, style) for hexcode, style in cells):
            raise UserError(
                f"{self.path} shows pictures that are never trained on ({about['name']}): "
                "write its shards again, with `ediffi data shard`"
            )
        suffix = next(s for s in places if s in PICTURES)
        data = self._data[slice(*places[suffix])]
        record = Record(
            name=about["name"],
            picture=data,
            captions=tuple(about["captions"]),
            source=about["source"],
            licence=about["licence"],
            cells=cells,
        )
        return record, Encoded(data, suffix[1:], (about["width"], about["height"]))
