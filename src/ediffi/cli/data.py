"""`ediffi data`: build the pictogram grid, and look at scenes composed from it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from ediffi.cli import absent, audit, balance, collection
from ediffi.cli.display import work_bars
from ediffi.core.errors import UserError

app = typer.Typer(name="data", help="Get, build and look at training data.", no_args_is_help=True)
app.command("import")(collection.import_collection)
app.command("shard")(collection.shard)
app.command("audit")(audit.audit)
app.command("balance")(balance.balance)
app.command("absent")(absent.absent)
DATA_SETS = ("pictogram",)


@app.command()
def build(
    name: Annotated[str, typer.Argument(help="What to build; there is one: pictogram.")],
    from_dir: Annotated[
        Path | None,
        typer.Option("--from", help="Folder with the .tgz packages, instead of asking npm."),
    ] = None,
    cache: Annotated[
        Path | None,
        typer.Option(help="Where to build. Default: $EDIFFI_CACHE/pictogram or the user's cache."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes that render. Default: one a core.")
    ] = None,
    variants: Annotated[
        bool,
        typer.Option("--variants", help="People by gender and skin tone, in a folder beside it."),
    ] = False,
    exclude: Annotated[
        Path | None, typer.Option(help="List of pictures, styles and sources that stay out.")
    ] = None,
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
    from ediffi.pictogram.sources import pictogram_dir, variants_dir

    archives = pictogram_dir(cache) / "packages"
    target = variants_dir(cache) if variants else pictogram_dir(cache)
    asked: dict[str, Any] = {
        "variants": variants,
        "exclude": Exclusions.read(exclude) if exclude else None,
    }
    if builder.is_built(target, **asked):
        typer.echo(f"{target} is already built and complete")
        _print_counts(Grid.load(target).counts)
        return
    started = time.monotonic()
    try:
        options = {"source": from_dir, "archives": archives, **asked}
        counts = _build_with_progress(builder, target, workers, options)
    except KeyboardInterrupt:
        typer.echo("stopped; run the same command to go on", err=True)
        raise typer.Exit(130) from None
    _print_counts(counts)
    size = sum(f.stat().st_size for f in target.rglob("*") if f.is_file())
    typer.echo(f"built in {time.monotonic() - started:.0f} s, {size / 1e6:.0f} MB in {target}")


def _build_with_progress(
    builder: Any, target: Path, workers: int | None, options: dict[str, Any]
) -> Any:
    with work_bars() as progress:
        fetching = progress.add_task("packages", total=len(builder.PICTOGRAM))
        rendering = progress.add_task("pictures", total=None)
        return builder.build(
            target,
            **options,
            workers=workers,
            on_package=lambda package, fetched: progress.advance(fetching),
            on_cell=lambda done, total: progress.update(rendering, completed=done, total=total),
            on_broken=lambda message: progress.console.print(f"skipped {message}", markup=False),
        )


def _print_counts(counts: dict[str, Any]) -> None:
    typer.echo(
        f"{counts['concepts']} concepts, {counts['styles']} styles, {counts['cells']} cells; "
        f"held out: {counts['held_out_concepts']} concepts, {counts['held_out_cells']} cells "
        f"(theirs included); skipped as broken: {counts['broken']}"
    )
    for style, cells in counts["cells_per_style"].items():
        typer.echo(f"  {style:<27}{cells:>6}")


@app.command()
def compose(
    seed: Annotated[int, typer.Option(help="Seed of the scenes.")] = 0,
    num_images: Annotated[int, typer.Option(min=1, max=1024)] = 32,
    output: Annotated[Path, typer.Option("--output", "-o", help="Picture to write.")] = Path(
        "sheet.png"
    ),
    size: Annotated[int, typer.Option(min=16, max=1024, help="Pixels of each scene.")] = 128,
    style: Annotated[
        list[str] | None, typer.Option(help="Style to use; repeat for several.")
    ] = None,
    every_concept: Annotated[
        bool, typer.Option("--all", help="All concepts, not only the default vocabulary.")
    ] = False,
    masks: Annotated[
        bool, typer.Option("--masks", help="Beside each picture, what the caption's phrases name.")
    ] = False,
    cache: Annotated[Path | None, typer.Option(help="Where the grid was built.")] = None,
) -> None:
    """Write a contact sheet of training scenes with their captions. Examples:

    ediffi data compose --seed 0 --num-images 32 -o sheet.png

    ediffi data compose --masks --style noto --num-images 64 -o sheet.webp

    ediffi data compose --all --style emojione-monotone --size 96
    """
    import numpy as np

    from ediffi.pictogram.composer import DEFAULT_STYLES, Composer, SceneConfig, vocabulary
    from ediffi.pictogram.grid import Grid
    from ediffi.pictogram.sheet import contact_sheet, overlay

    config = SceneConfig(
        seed=seed,
        concepts=None if every_concept else tuple(vocabulary()),
        styles=tuple(style) if style else DEFAULT_STYLES,
    )
    composer = Composer(Grid.load(cache), config)
    scenes = [composer.scene(index) for index in range(num_images)]
    images = [composer.render(scene, size) for scene in scenes]
    if masks:
        tinted = (overlay(i, composer.masks(s, size)) for i, s in zip(images, scenes, strict=True))
        images = [np.hstack(pair) for pair in zip(images, tinted, strict=True)]
    sheet = contact_sheet(
        images,
        [scene.captions[0].text for scene in scenes],
        spans=[scene.captions[0].spans for scene in scenes] if masks else None,
    )
    try:
        sheet.save(output)
    except (OSError, ValueError) as error:
        raise UserError(f"cannot write {output}: {error}") from error
    typer.echo(f"wrote {output}: {num_images} scenes, seed {seed}")
