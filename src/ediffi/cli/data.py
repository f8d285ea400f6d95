"""`ediffi data`, and its command that builds the pictogram grid."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from ediffi.cli.absent import absent
from ediffi.cli.audit import audit
from ediffi.cli.balance import balance
from ediffi.cli.display import work_bars
from ediffi.cli.importing import import_collection
from ediffi.cli.scenes import compose, shard
from ediffi.core.errors import UserError

app = typer.Typer(name="data", help="Get, build and look at training data.", no_args_is_help=True)
app.command("import")(import_collection)
app.command()(shard)
app.command()(audit)
app.command()(balance)
app.command()(absent)
app.command()(compose)
DATA_SETS = ("pictogram",)


From = Annotated[
    Path | None,
    typer.Option("--from", help="Folder with the .tgz packages, instead of asking npm."),
]
Target = Annotated[
    Path | None,
    typer.Option(help="Where to build. Default: $EDIFFI_CACHE/pictogram or the user's cache."),
]
Workers = Annotated[
    int | None, typer.Option(min=1, help="Processes that render. Default: one a core.")
]
Variants = Annotated[
    bool, typer.Option("--variants", help="People by gender and skin tone, in a folder beside it.")
]
Exclude = Annotated[
    Path | None, typer.Option(help="List of pictures, styles and sources that stay out.")
]


@app.command()
def build(
    name: Annotated[str, typer.Argument(help="What to build; there is one: pictogram.")],
    from_dir: From = None,
    cache: Target = None,
    workers: Workers = None,
    variants: Variants = False,
    exclude: Exclude = None,
) -> None:
    """Fetch the picture sets, join them by concept and render every picture once.

    Run it again after an interruption: good files are kept. Examples:

    ediffi data build pictogram

    ediffi data build pictogram --from ~/packages --cache /data/pictogram

    ediffi data build pictogram --variants

    ediffi data build pictogram --exclude opted-out.txt
    """
    if name not in DATA_SETS:
        raise UserError(f"no data set {name!r}: known are {', '.join(DATA_SETS)}")
    from ediffi.data.exclusions import Exclusions
    from ediffi.pictogram import build as builder
    from ediffi.pictogram.grid import Grid
    from ediffi.pictogram.sources import PICTOGRAM, pictogram_dir, variants_dir

    target = variants_dir(cache) if variants else pictogram_dir(cache)
    asked: dict[str, Any] = {
        "variants": variants,
        "exclude": Exclusions.read(exclude) if exclude else None,
    }
    if builder.is_built(target, **asked):
        typer.echo(f"{target} is already built and complete")
        _show_grid(Grid.load(target).counts)
        return
    started = time.monotonic()
    try:
        with work_bars() as bars:
            fetching = bars.add_task("packages", total=len(PICTOGRAM))
            rendering = bars.add_task("pictures", total=None)
            counts = builder.build(
                target,
                source=from_dir,
                archives=pictogram_dir(cache) / "packages",
                workers=workers,
                on_package=lambda package, fetched: bars.advance(fetching),
                on_cell=lambda done, total: bars.update(rendering, completed=done, total=total),
                on_broken=lambda message: bars.console.print(f"skipped {message}", markup=False),
                **asked,
            )
    except KeyboardInterrupt:
        typer.echo("stopped; run the same command to go on", err=True)
        raise typer.Exit(130) from None
    _show_grid(counts)
    size = sum(f.stat().st_size for f in target.rglob("*") if f.is_file())
    typer.echo(f"built in {time.monotonic() - started:.0f} s, {size / 1e6:.0f} MB in {target}")


def _show_grid(counts: dict[str, Any]) -> None:
    typer.echo(
        f"{counts['concepts']} concepts, {counts['styles']} styles, {counts['cells']} cells; "
        f"held out: {counts['held_out_concepts']} concepts, {counts['held_out_cells']} cells "
        f"(theirs included); skipped as broken: {counts['broken']}"
    )
    for style, cells in counts["cells_per_style"].items():
        typer.echo(f"  {style:<27}{cells:>6}")
