"""`ediffi attribute`: the training pictures that a picture is nearest to."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ediffi.cli.display import work_bars
from ediffi.core.errors import UserError

if TYPE_CHECKING:
    from PIL import Image

    from ediffi.data.entries import Entries
    from ediffi.model import ModelFolder
    from ediffi.trust.attribution import Near

NOTE = "Near is not the same as cause: these look alike, whatever the model learnt from."


def attribute(
    picture: Annotated[Path, typer.Argument(help="A picture, as a rule one that was generated.")],
    model: Annotated[
        str, typer.Option("--model", "-m", help="Whose CLIP and training pictures.")
    ] = "pictogram",
    data: Annotated[
        str, typer.Option(help="pictogram, or the folder of shards that it was trained on.")
    ] = "pictogram",
    num: Annotated[int, typer.Option("--num", "-n", min=1, max=1000, help="How many.")] = 8,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="PNG or WebP: the picture beside them.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    cache: Annotated[Path | None, typer.Option(help="Where the grid was built.")] = None,
) -> None:
    """Show the nearest training pictures, with their licences and how near they are.

    The first time all training pictures are embedded, which takes minutes; then it is quick.
    Near is not the same as cause. Examples:

    ediffi attribute fox.png

    ediffi attribute fox.png -n 12 -o nearest.png

    ediffi attribute photo.png --model my-model --data my-shards --json
    """
    from ediffi.core.pictures import open_picture
    from ediffi.encoders.clip import ClipImageEncoder
    from ediffi.model import ModelFolder, locate
    from ediffi.pictogram.sources import cache_root
    from ediffi.trust.attribution import open_index

    shown = open_picture(picture)
    folder = ModelFolder(locate(model))
    spec = folder.config.encoders.get("clip_image")
    if spec is None:
        raise UserError(f"{model} has no CLIP that reads pictures: name a model that has, --model")
    entries = _training_pictures(data, folder, cache)
    encoder = ClipImageEncoder.load(spec, root=folder.path)
    with work_bars() as bars:
        task = bars.add_task("training pictures", total=len(entries), visible=False)
        index = open_index(
            entries,
            encoder,
            spec.sha256 or "",
            cache_root() / "attribution",
            lambda count: bars.update(task, completed=count, visible=True),
        )
    started = time.perf_counter()
    near = index.nearest(shown, encoder, num)
    seconds = time.perf_counter() - started
    if output is not None:
        _sheet(output, shown, near, entries)
    if as_json:
        from ediffi.trust.attribution import as_json as listed

        typer.echo(
            json.dumps({"note": NOTE, "nearest": listed(near)}, indent=1, ensure_ascii=False)
        )
        return
    _show(near)
    typer.echo(f"{NOTE} Of {len(entries):,} training pictures, in {seconds:.2f} s.")


def _training_pictures(data: str, folder: ModelFolder, cache: Path | None) -> Entries:
    if data == "pictogram":
        from ediffi.pictogram.entries import trained_on
        from ediffi.pictogram.grid import Grid

        return trained_on(Grid.load(cache), folder.config)
    from ediffi.data.entries import ShardEntries

    return ShardEntries(Path(data))


def _show(near: list[Near]) -> None:
    """A table; attributions below it, each once."""
    from rich.console import Console
    from rich.table import Table

    table = Table("score", "part", "training picture", "caption", "licence", "source", box=None)
    for one in near:
        caption = one.caption if len(one.caption) <= 48 else f"{one.caption[:47]}…"
        table.add_row(f"{one.score:.3f}", one.part, one.name, caption, one.licence, one.source)
    Console().print(table)
    for text in dict.fromkeys(one.attribution for one in near if one.attribution):
        typer.echo(text)


def _sheet(output: Path, shown: Image.Image, near: list[Near], entries: Entries) -> None:
    """The picture, and the nearest in their order, as squares of 192 px."""
    import numpy as np

    from ediffi.core.pictures import square
    from ediffi.output import save_sheet

    pictures = [shown, *(entries.picture(one.number) for one in near)]
    save_sheet(output, np.stack([np.asarray(square(p, 192)) for p in pictures]))
    typer.echo(f"wrote {output}: the picture, then the nearest in their order", err=True)
