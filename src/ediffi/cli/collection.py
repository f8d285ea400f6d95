"""`ediffi data import` and `ediffi data shard`: collections of pictures, and shards."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ediffi.core.errors import UserError

if TYPE_CHECKING:
    from ediffi.data.importing import Report

Output = Annotated[Path, typer.Option("--output", "-o", help="New folder for the shards.")]
ShardSize = Annotated[int, typer.Option(min=1, help="Pictures in a shard.")]


class Duplicates(StrEnum):
    near = "near"
    exact = "exact"
    keep = "keep"


def import_collection(
    source: Annotated[
        Path,
        typer.Argument(help="Folder (pictures with .txt files, or .tar shards), table or COCO."),
    ],
    output: Output,
    images: Annotated[
        Path | None, typer.Option(help="Folder of a table's or COCO file's pictures, if another.")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="What to call the source. Default: the name of SOURCE.")
    ] = None,
    licence: Annotated[
        str, typer.Option(help="Licence of pictures for which the collection names none.")
    ] = "not stated",
    min_size: Annotated[int, typer.Option(min=1, help="Least shorter side, pixels.")] = 64,
    max_size: Annotated[
        int, typer.Option(min=64, help="Shrink pictures whose shorter side is longer.")
    ] = 1024,
    max_aspect: Annotated[float, typer.Option(min=1, help="Most that sides differ by.")] = 3.0,
    duplicates: Annotated[
        Duplicates, typer.Option(help="Drop look-alikes, the same files only, or none.")
    ] = Duplicates.near,
    clip: Annotated[
        Path | None, typer.Option(help="Folder of a CLIP that judges whether captions fit.")
    ] = None,
    min_score: Annotated[
        float | None, typer.Option(help="Least cosine of picture and caption, with --clip.")
    ] = None,
    exclude: Annotated[
        Path | None, typer.Option(help="List of pictures and sources that stay out.")
    ] = None,
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
    judge = None if clip is None else ClipScore(clip)
    with _progress() as progress:
        task = progress.add_task("pictures", total=None)
        report = importing.import_collection(
            items,
            output,
            source=name or source.resolve().stem,
            licence=licence,
            filters=filters,
            clip=judge,
            exclude=Exclusions.read(exclude) if exclude else None,
            max_size=max_size,
            shard_size=shard_size,
            on_item=lambda seen: progress.update(task, completed=seen.found),
        )
    _show(report, output / importing.DROPPED)
    if licence == "not stated" and report.unlicensed:
        typer.echo(f"no licence is known of {report.unlicensed:,} pictures: say it with --licence")
    typer.echo(f"{output}: {report.kept:,} pictures")


def shard(
    output: Output,
    source: Annotated[
        Path | None, typer.Argument(help="Folder of shards to write anew. Default: scenes.")
    ] = None,
    num_images: Annotated[int, typer.Option(min=1, help="Scenes to write.")] = 8_192,
    size: Annotated[int, typer.Option(min=16, max=1024, help="Pixels of a scene.")] = 256,
    seed: Annotated[int, typer.Option(min=0, help="Of the scenes, or of the new order.")] = 0,
    style: Annotated[
        list[str] | None, typer.Option(help="Style of scenes; repeat for several.")
    ] = None,
    every_concept: Annotated[
        bool, typer.Option("--all", help="Scenes of all concepts, not only the default ones.")
    ] = False,
    shard_size: ShardSize = 2_000,
) -> None:
    """Write scenes, or shards again in another size and a shuffled order, as WebDataset shards.

    ediffi data shard -o scenes --num-images 10000 --size 256 --all

    ediffi data shard my-shards -o smaller --shard-size 500
    """
    from ediffi.data.sharding import reshard
    from ediffi.pictogram.sharding import shard_scenes

    with _progress() as progress:
        task = progress.add_task("pictures", total=num_images)

        def on_done(count: int) -> None:
            progress.update(task, completed=count)

        if source is not None:
            from ediffi.data.shard_set import ShardSet

            shards = ShardSet(source, seed=seed)
            progress.update(task, total=len(shards))
            reshard(shards, output, shard_size=shard_size, on_done=on_done)
        else:
            scenes = _scenes(seed, style, every_concept)
            shard_scenes(scenes, num_images, size, output, shard_size=shard_size, on_done=on_done)
    files = list(output.glob("*.tar"))
    total = sum(file.stat().st_size for file in files)
    typer.echo(f"{output}: {len(files)} shards, {total / 1e6:.1f} MB")


def _scenes(seed: int, style: list[str] | None, every_concept: bool) -> Any:
    from ediffi.pictogram.composer import DEFAULT_STYLES, Composer, SceneConfig, vocabulary
    from ediffi.pictogram.grid import Grid
    from ediffi.pictogram.scenes import Scenes

    config = SceneConfig(
        seed=seed,
        concepts=None if every_concept else tuple(vocabulary()),
        styles=tuple(style) if style else DEFAULT_STYLES,
    )
    return Scenes(Composer(Grid.load(), config))


def _progress() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

    columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True))


def _show(report: Report, listing: Path) -> None:
    """A table of what became of the pictures."""
    from rich.console import Console
    from rich.table import Table

    table = Table("what", "pictures", box=None)
    table.add_row("found", f"{report.found:,}")
    table.add_row("kept", f"{report.kept:,}")
    for change, count in report.changed.most_common():
        table.add_row(f"  of them {change}", f"{count:,}")
    for reason, count in report.dropped.most_common():
        table.add_row(f"dropped: {reason}", f"{count:,}")
    Console().print(table)
    if report.dropped:
        typer.echo(f"each dropped one is named in {listing}")
