"""Collections of small pictures, imported."""

from __future__ import annotations

import io
import json
import tarfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ediffi.data.filters import Filters
from ediffi.data.importing import Report, import_collection
from ediffi.data.readers import Record, read
from ediffi.data.shard_set import ShardSet


def picture(number: int, size: tuple[int, int] = (80, 80)) -> Image.Image:
    """A picture like no other: smooth noise from its number."""
    noise = np.random.default_rng(number).integers(0, 256, (6, 6, 3), np.uint8)
    return Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC)


def png(number: int) -> bytes:
    out = io.BytesIO()
    picture(number).save(out, "PNG")
    return out.getvalue()


def good(folder: Path, number: int, caption: str = "", suffix: str = "png") -> Path:
    """A picture with its caption beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"good-{number}.{suffix}"
    picture(number).save(path)
    path.with_suffix(".txt").write_text(caption or f"picture {number}")
    return path


def tar(path: Path, files: dict[str, bytes] | Iterable[tuple[str, bytes]]) -> Path:
    """A shard of these members, in this order."""
    with tarfile.open(path, "w") as file:
        for name, data in dict(files).items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    return path


def run(source: Path, target: Path, **options: Any) -> tuple[Report, dict[str, dict[str, str]]]:
    """Import, and the dropped items by name."""
    images = options.pop("images", None)
    options = {"source": "test", "licence": "CC0", "filters": Filters(), **options}
    report = import_collection(read(source, images=images), target, **options)
    lines = (target / "dropped.jsonl").read_text().splitlines()
    dropped = {row["name"]: row for row in map(json.loads, lines)}
    assert report.found == report.kept + len(lines)
    assert Counter(row["reason"] for row in dropped.values()) == report.dropped
    return report, dropped


def kept(target: Path) -> dict[str, Record]:
    """What was imported, by name."""
    shards = ShardSet(target)
    records = [shards.stored(index)[0] for index in range(len(shards))]
    return {record.name: record for record in records}
