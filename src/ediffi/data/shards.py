"""Writing shards: .tar files in WebDataset's form, and a manifest that vouches for them.

Of every picture: KEY.png or KEY.jpg, KEY.txt (its first caption) and KEY.json (all its captions,
name, source, licence, size). The same pictures give the same bytes. A folder is whole when it has
its manifest; until then it has another name.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tarfile
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, cast

from ediffi.core.errors import UserError
from ediffi.core.files import make_folder, write_atomically
from ediffi.data.readers.record import Record

FORMAT = 1
MANIFEST = "shards.json"
SHARD_SIZE = 2_000  # pictures


@dataclass(frozen=True)
class Encoded:
    """A picture's file as it is kept. suffix: png, jpg or webp; size: width, height in pixels."""

    data: bytes
    suffix: str
    size: tuple[int, int]


class ShardWriter:
    """A folder of shards in the making.

    with ShardWriter(target) as shards:
        shards.add(record, picture)

    Leaving the block puts the folder in place; an error in it leaves nothing.

    Raises:
        UserError: `target` is there and not empty, or the disk refuses.
    """

    def __init__(self, target: Path, *, shard_size: int = SHARD_SIZE) -> None:
        if os.path.lexists(target) and not (target.is_dir() and not any(target.iterdir())):
            raise UserError(f"{target} is there already: choose another folder, or delete it first")
        self.target, self.shard_size = target, shard_size
        self.part = target.with_name(f".{target.name}.part")
        self.count = 0
        self._shard: _Shard | None = None
        self._listed: list[dict[str, Any]] = []
        self.num_captions = 0
        self._sources: Counter[tuple[str, str]] = Counter()

    def __enter__(self) -> ShardWriter:
        shutil.rmtree(self.part, ignore_errors=True)  # of a process that was killed
        make_folder(self.part)
        return self

    def add(self, record: Record, picture: Encoded) -> None:
        """Append one picture with its captions."""
        if self._shard is None:
            self._shard = _Shard(self.part / f"{len(self._listed):06d}.tar")
        width, height = picture.size
        about: dict[str, Any] = {
            "name": record.name,
            "captions": record.captions,
            "source": record.source,
            "licence": record.licence,
            "width": width,
            "height": height,
        }
        if record.cells:
            about["cells"] = record.cells
        key = f"{self.count:08d}"
        self._shard.add(f"{key}.{picture.suffix}", picture.data)
        self._shard.add(f"{key}.txt", record.captions[0].encode())
        self._shard.add(f"{key}.json", json.dumps(about, ensure_ascii=False).encode())
        self._shard.sides.append(min(picture.size))
        self.count += 1
        self.num_captions += len(record.captions)
        self._sources[record.source or "", record.licence or ""] += 1
        if len(self._shard.sides) == self.shard_size:
            self._close_shard()

    def _close_shard(self) -> None:
        if self._shard:
            self._listed.append(self._shard.close())
            self._shard = None

    def manifest(self) -> dict[str, Any]:
        """What shards.json holds; `sides` are the shorter sides of a shard's pictures, in order."""
        sources = [
            {"source": source, "licence": licence, "pictures": count}
            for (source, licence), count in sorted(self._sources.items())
        ]
        return {
            "format": FORMAT,
            "pictures": self.count,
            "captions": self.num_captions,
            "sources": sources,
            "shards": self._listed,
        }

    def __exit__(
        self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._close_shard()
                data = json.dumps(self.manifest(), indent=1).encode()
                write_atomically(self.part / MANIFEST, data)
                with suppress(FileNotFoundError):
                    self.target.rmdir()  # empty, as was seen at the start
                self.part.rename(self.target)
        except OSError as problem:
            error = problem
        if error is not None:
            self._discard()
        if isinstance(error, OSError):
            raise UserError(
                f"cannot write {self.target}: {error}. Free some space or choose another folder"
            ) from error

    def _discard(self) -> None:
        if self._shard:
            self._shard.discard()
        shutil.rmtree(self.part, ignore_errors=True)


class _Shard:
    """One .tar file, hashed while it is written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.sides: list[int] = []
        self._sha = hashlib.sha256()
        self._file = path.open("wb")
        self._tar = tarfile.open(mode="w", fileobj=cast(BinaryIO, _Hashing(self._file, self._sha)))

    def add(self, name: str, data: bytes) -> None:
        info = tarfile.TarInfo(name)  # no time, no owner: the same pictures are the same bytes
        info.size = len(data)
        self._tar.addfile(info, io.BytesIO(data))

    def close(self) -> dict[str, Any]:
        self._tar.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        size = self._file.tell()
        self._file.close()
        return {
            "file": self.path.name,
            "sha256": self._sha.hexdigest(),
            "bytes": size,
            "pictures": len(self.sides),
            "sides": self.sides,
        }

    def discard(self) -> None:
        with suppress(OSError):  # a full disk refuses even to close
            self._file.close()


class _Hashing:
    """A file object that hashes what it writes."""

    def __init__(self, file: BinaryIO, sha: Any) -> None:
        self.file, self.sha = file, sha

    def write(self, data: bytes) -> int:
        self.sha.update(data)
        return self.file.write(data)

    def tell(self) -> int:
        return self.file.tell()
