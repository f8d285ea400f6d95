"""`ediffi data import`: a collection of captioned pictures becomes shards."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ediffi.cli.display import work_bars
from ediffi.cli.scenes import ShardSize
from ediffi.core.errors import UserError

if TYPE_CHECKING:
    from ediffi.data.importing import Report


class Duplicates(StrEnum):
    near = "near"
    exact = "exact"
    keep = "keep"


Source = Annotated[
    Path, typer.Argument(help="Folder (pictures with .txt files, or .tar shards), table or COCO.")
]
Output = Annotated[Path, typer.Option("--output", "-o", help="New folder for the shards.")]
Images = Annotated[
    Path | None, typer.Option(help="Folder of a table's or COCO file's pictures, if another.")
]
Name = Annotated[
    str | None, typer.Option(help="What to call the source. Default: the name of SOURCE.")
]
Licence = Annotated[
    str, typer.Option(help="Licence of pictures for which the collection names none.")
]
MinSize = Annotated[int, typer.Option(min=1, help="Least shorter side, pixels.")]
MaxSize = Annotated[int, typer.Option(min=64, help="Shrink pictures whose shorter side is longer.")]
MaxAspect = Annotated[float, typer.Option(min=1, help="Most that sides differ by.")]
Twins = Annotated[Duplicates, typer.Option(help="Drop look-alikes, the same files only, or none.")]
Clip = Annotated[
    Path | None, typer.Option(help="Folder of a CLIP that judges whether captions fit.")
]
MinScore = Annotated[
    float | None, typer.Option(help="Least cosine of picture and caption, with --clip.")
]
Exclude = Annotated[Path | None, typer.Option(help="List of pictures and sources that stay out.")]


def import_collection(
    source: Source,
    output: Output,
    images: Images = None,
    name: Name = None,
    licence: Licence = "not stated",
    min_size: MinSize = 64,
    max_size: MaxSize = 1024,
    max_aspect: MaxAspect = 3.0,
    duplicates: Twins = Duplicates.near,
    clip: Clip = None,
    min_score: MinScore = None,
    exclude: Exclude = None,
    shard_size: ShardSize = 2_000,
) -> None:
    """Check a collection of captioned pictures and write what is good as WebDataset shards.

    Every dropped item is named with its reason in dropped.jsonl. Examples:

    ediffi data import my-pictures -o my-shards --licence CC-BY-4.0

    ediffi data import captions.csv --images photos/ -o my-shards --min-size 256

    ediffi data import coco.json --images train2017/ -o shards --clip clip/ --min-score 0.2
    """
    if (clip is None) != (min_score is None):
        raise UserError("--clip and --min-score go together: the CLIP's folder and what it asks")
    from ediffi.data import importing
    from ediffi.data.exclusions import Exclusions
    from ediffi.data.filters import ClipScore, Filters
    from ediffi.data.readers import read

    filters = Filters(
        min_size=min_size, max_aspect=max_aspect, duplicates=duplicates.value, min_score=min_score
    )
    items = read(source, images=images)
    with work_bars() as bars:
        task = bars.add_task("pictures", total=None)
        report = importing.import_collection(
            items,
            output,
            source=name or source.resolve().stem,
            licence=licence,
            filters=filters,
            clip=None if clip is None else ClipScore(clip),
            exclude=Exclusions.read(exclude) if exclude else None,
            max_size=max_size,
            shard_size=shard_size,
            on_item=lambda seen: bars.update(task, completed=seen.found),
        )
    _show(report)
    if report.dropped:
        typer.echo(f"each dropped one is named in {output / importing.DROPPED}")
    if licence == "not stated" and report.unlicensed:
        typer.echo(f"no licence is known of {report.unlicensed:,} pictures: say it with --licence")
    typer.echo(f"{output}: {report.kept:,} pictures")


def _show(report: Report) -> None:
    """A table of what became of the pictures."""
    from rich.console import Console
    from rich.table import Table

    table = Table("what", "pictures", box=None)
    rows = {"found": report.found, "kept": report.kept}
    rows |= {f"  of them {change}": count for change, count in report.changed.most_common()}
    rows |= {f"dropped: {reason}": count for reason, count in report.dropped.most_common()}
    for what, count in rows.items():
        table.add_row(what, f"{count:,}")
    Console().print(table)
