"""From any collection to shards: check every picture, filter, write, and say what became of each.

Beside the shards lie report.json (counts) and dropped.jsonl (every dropped item and why).
"""

from __future__ import annotations

import hashlib
import io
import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from PIL import Image

from ediffi.core.errors import UserError
from ediffi.core.pictures import BadPicture, Opened, read_picture
from ediffi.data.exclusions import Exclusions
from ediffi.data.filters import ClipScore, Filters, Twins
from ediffi.data.heldout import is_held_out
from ediffi.data.readers import Dropped, Item, Record
from ediffi.data.readers.record import Unusable
from ediffi.data.shards import SHARD_SIZE, Encoded, ShardWriter

KEPT_FORMATS = {"PNG": "png", "JPEG": "jpg", "WEBP": "webp"}  # whose files are kept as they are
REPORT, DROPPED = "report.json", "dropped.jsonl"


@dataclass
class Report:
    """What became of a collection's items. unlicensed: kept ones that name no licence of their own;
    dropped: by reason; changed: pictures that were made like the others, by what was done."""

    found: int = 0
    kept: int = 0
    unlicensed: int = 0
    captions: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)


def import_collection(
    items: Iterable[Item],
    target: Path,
    *,
    source: str,
    licence: str,
    filters: Filters | None = None,
    clip: ClipScore | None = None,
    exclude: Exclusions | None = None,
    max_size: int = 1024,
    shard_size: int = SHARD_SIZE,
    on_item: Callable[[Report], None] = lambda report: None,
) -> Report:
    """Write the good pictures of a collection to `target`; one at a time is in memory.

    source, licence: of items that do not say their own. max_size: pictures with a longer shorter
    side are shrunk to it. clip: what `filters.min_score` is measured with. exclude: pictures that
    stay out.

    Raises:
        UserError: `target` is there already or cannot be written; then nothing is left there.
    """
    filters = filters or Filters()
    report = Report()
    twins = Twins(filters.duplicates)
    with (
        ShardWriter(target, shard_size=shard_size) as shards,
        (shards.part / DROPPED).open("w") as dropped,
    ):
        for item in items:
            report.found += 1
            try:
                if exclude is not None and isinstance(item, Record):
                    _check_exclusions(item, exclude, source, licence)
                record, picture, changes = _check(item, filters, twins, clip, max_size)
            except Unusable as error:
                reason, detail = (*error.args, "")[:2]
                report.dropped[reason] += 1
                line = asdict(Dropped(item.name, reason, detail))
                dropped.write(json.dumps(line) + "\n")
            else:
                report.unlicensed += record.licence is None
                record = replace(record, source=record.source or source)
                shards.add(replace(record, licence=record.licence or licence), picture)
                report.kept += 1
                report.captions += len(record.captions)
                report.changed.update(changes)
            on_item(report)
        if not report.kept:
            reasons = ", ".join(f"{reason}: {count}" for reason, count in report.dropped.items())
            raise UserError(
                f"nothing was kept of {source}: it has no captioned pictures"
                if not report.found
                else f"nothing was kept of {source}: {report.found} found and dropped ({reasons})"
            )
        facts: dict[str, Any] = {**vars(report), "filters": filters.model_dump()}
        (shards.part / REPORT).write_text(json.dumps(facts, indent=1))
    return report


def _check(
    item: Item, filters: Filters, twins: Twins, clip: ClipScore | None, max_size: int
) -> tuple[Record, Encoded, tuple[str, ...]]:
    """The record, its picture as it is kept and what was changed.

    Raises:
        Unusable: with the reason.
    """
    if isinstance(item, Dropped):
        raise Unusable(item.reason, item.detail)
    if any(is_held_out(hexcode, style) for hexcode, style in item.cells):
        raise Unusable("held out", "a scene of pictures that are never trained on")
    data = _bytes(item)
    try:
        opened = read_picture(data, item.name)
    except BadPicture as error:
        raise Unusable(error.reason, str(error)) from error
    filters.check_shape(*opened.image.size)
    twins.check(data, opened.image)
    if clip is not None and filters.min_score is not None:
        score = clip.best(opened.image, item.captions)
        if score < filters.min_score:
            raise Unusable("captions do not fit", f"score {score:.3f}")
    twins.remember(data, opened.image, item.name)
    return item, *_as_kept(data, opened, max_size)


def _check_exclusions(item: Record, exclude: Exclusions, source: str, licence: str) -> None:
    """Raises Unusable: the picture is on the list of those that stay out."""
    line = exclude.excluding(
        picture=item.name,
        source=item.source or source,
        licence=item.licence or licence,
        sha256=hashlib.sha256(_bytes(item)).hexdigest(),
    )
    if line is not None:
        raise Unusable("excluded", line)


def _bytes(item: Record) -> bytes:
    """Raises Unusable: its file cannot be read."""
    try:
        return item.picture if isinstance(item.picture, bytes) else item.picture.read_bytes()
    except OSError as error:
        raise Unusable("missing file", str(error)) from error


def _as_kept(data: bytes, opened: Opened, max_size: int) -> tuple[Encoded, tuple[str, ...]]:
    """The file's own bytes where they are plain; otherwise the picture saved anew."""
    image, changes = opened.image, opened.changes
    if min(image.size) > max_size:
        share = max_size / min(image.size)
        width, height = (max(max_size, round(side * share)) for side in image.size)
        image = image.resize((width, height), Image.Resampling.LANCZOS)
        changes = (*changes, f"shrunk to {max_size} px")
    if not changes and opened.format in KEPT_FORMATS:
        return Encoded(data, KEPT_FORMATS[opened.format], image.size), ()
    return encoded(image, lossless=opened.format not in ("JPEG", "MPO")), changes


def encoded(image: Image.Image, *, lossless: bool = True) -> Encoded:
    """A picture as a PNG, or as a fine JPEG without subsampled colours."""
    out = io.BytesIO()
    if lossless:
        image.save(out, "PNG")
    else:
        image.save(out, "JPEG", quality=95, subsampling=0)
    return Encoded(out.getvalue(), "png" if lossless else "jpg", image.size)
