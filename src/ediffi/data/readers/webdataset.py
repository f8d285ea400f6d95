"""WebDataset shards: .tar files in which the files of one example share a key.

000017.jpg, 000017.txt and 000017.json belong together, wherever in the shard they stand.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from ediffi.data.readers.record import (
    MAX_BYTES,
    MAX_TEXT,
    PICTURES,
    Dropped,
    Item,
    Unusable,
    readable,
)
from ediffi.data.readers.sidecar import SIDECARS, read_sidecars

Members = dict[str, tarfile.TarInfo]
"""Of one example, by suffix."""


def read_webdataset(shards: Sequence[Path]) -> Iterator[Item]:
    """The examples of some shards: a picture, and captions as `read_sidecars` finds them.

    One picture at a time is in memory; of a damaged shard, what stands before the damage is read.
    """
    for shard in shards:
        try:
            with tarfile.open(shard, "r:") as tar:
                examples, damage = _index(shard, tar)
                for key, members in examples.items():
                    yield from _pictures(tar, f"{shard.name}:{readable(key)}", members)
        except (tarfile.TarError, OSError) as error:
            damage = str(error)
        if damage:
            yield Dropped(readable(shard.name), "damaged shard", f"it ends here: {damage}")


def split_key(member: str) -> tuple[str, str]:
    """Key and suffix of a member's name, divided at the first dot of its last part.

    >>> split_key("train/0001.left.jpg")
    ('train/0001', '.left.jpg')
    """
    folder, _, base = member.replace("\\", "/").rpartition("/")
    stem, _, rest = base.partition(".")
    return f"{folder}/{stem}" if folder else stem, f".{rest.lower()}"


def _index(shard: Path, tar: tarfile.TarFile) -> tuple[dict[str, Members], str]:
    """The members of every example, in the order in which the first of each stands; and what is
    wrong behind the last that could be read."""
    examples: dict[str, Members] = {}
    length = shard.stat().st_size
    try:
        for member in tar:
            if member.size < 0 or member.offset_data + member.size > length:
                raise tarfile.ReadError(f"{readable(member.name)} is cut short")
            key, suffix = split_key(member.name)
            # links have no bytes of their own; names without a key or a suffix are no example's
            if member.isreg() and not key.endswith("/") and key and suffix != ".":
                examples.setdefault(key, {})[suffix] = member
        with shard.open("rb") as rest:  # tarfile takes any bad header but the first for the end
            rest.seek(tar.offset)
            if rest.read(tarfile.BLOCKSIZE).strip(b"\0"):
                raise tarfile.ReadError(f"bad header at byte {tar.offset:,}")
    except (tarfile.TarError, OSError, EOFError, ValueError, OverflowError) as error:
        return examples, str(error)
    return examples, ""


def _pictures(tar: tarfile.TarFile, name: str, members: Members) -> Iterator[Item]:
    """The pictures of an example that have captions of their own (0001.left.jpg, 0001.left.txt),
    or else its first picture, with the captions of the whole example."""
    parts = {suffix: suffix.rpartition(".")[::2] for suffix in members}
    pictures = [suffix for suffix, (_, last) in parts.items() if f".{last}" in PICTURES]
    if not pictures:
        yield Dropped(name, "no picture", f"files: {', '.join(map(readable, members))}")
        return
    said: dict[str, Members] = {}
    for suffix, (part, last) in parts.items():
        if f".{last}" in SIDECARS:
            said.setdefault(part, {})[f".{last}"] = members[suffix]
    own = [suffix for suffix in pictures if parts[suffix][0] in said]
    for suffix in own or pictures[:1]:
        part = parts[suffix][0]
        sidecars = said.get(part, said.get("", {}))
        yield _item(tar, name + readable(part), members[suffix], sidecars)


def _item(tar: tarfile.TarFile, name: str, picture: tarfile.TarInfo, sidecars: Members) -> Item:
    try:
        row = read_sidecars({s: _read(tar, member, MAX_TEXT) for s, member in sidecars.items()})
        name = row.name or name
        return row.record(name, _read(tar, picture, MAX_BYTES))
    except Unusable as error:
        return Dropped(name, *error.args)


def _read(tar: tarfile.TarFile, member: tarfile.TarInfo, limit: int) -> bytes:
    if member.size > limit:
        detail = f"{readable(member.name)}: {member.size:,} bytes, at most {limit:,}"
        raise Unusable("too large", detail)
    try:
        file = tar.extractfile(member)
        return file.read() if file else b""
    except (tarfile.TarError, OSError, EOFError, ValueError, OverflowError) as error:
        raise Unusable("damaged", f"{readable(member.name)}: {error}") from error
