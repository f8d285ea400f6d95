"""`python -m studies`: the protocols that measure the default model."""

from __future__ import annotations

import json
import sys
from functools import partial
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated

import typer

from ediffi.cli.evaluate import open_context, progress_bars, settings_of
from ediffi.cli.main import main
from ediffi.core.errors import UserError

app = typer.Typer(
    name="studies",
    help="Protocols of the default model. They need the extra `evaluate` and the built grid.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Output = Annotated[Path, typer.Option("--output", "-o", help="Folder for the results.")]
Model = Annotated[str, typer.Argument(help="Shipped model, its folder, or a hub name.")]
Prompts = Annotated[Path | None, typer.Option(help="What to draw, a JSON object a line.")]
Processes = Annotated[int, typer.Option(min=1, help="That draw at the same time.")]
Cache = Annotated[Path | None, typer.Option(help="Where the grid was built.")]


@app.command()
def first_weights(
    output: Output, model: Model = "pictogram", prompts: Prompts = None, cache: Cache = None
) -> None:
    """256 fixed prompts of one thing, through the whole cascade."""
    from ediffi.model import Cascade
    from ediffi.pictogram.grid import Grid
    from studies import first_weights
    from studies.prompts import FIRST_WEIGHTS

    cascade, grid, rows = Cascade.from_pretrained(model), Grid.load(cache), prompts or FIRST_WEIGHTS
    with progress_bars() as report:
        results = first_weights.run(cascade, rows, output, grid=grid, report=report)
    results["upscalers"].pop("by_picture")
    typer.echo(json.dumps(results, indent=2))


@app.command()
def layout(
    output: Output,
    model: Model = "pictogram",
    prompts: Prompts = None,
    processes: Processes = 1,
    cache: Cache = None,
) -> None:
    """240 fixed layouts: is each thing where it was painted?"""
    from ediffi.evaluate.layouts import LAYOUTS
    from ediffi.evaluate.plots import layout_table
    from ediffi.model import Cascade
    from ediffi.pictogram.grid import Grid
    from studies import layout

    cascade, grid = Cascade.from_pretrained(model), Grid.load(cache)
    with progress_bars() as report:
        results = layout.run(
            cascade,
            prompts or LAYOUTS,
            output,
            open_cascade=partial(Cascade.from_pretrained, model),
            processes=processes,
            grid=grid,
            report=report,
        )
    typer.echo(layout_table(results))


@app.command()
def style(
    output: Output,
    model: Model = "pictogram",
    prompts: Prompts = None,
    references: Annotated[
        Path | None, typer.Option(help="A folder of pictures of other styles, for a sheet.")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Test the judge of styles; draws nothing.")
    ] = False,
    cache: Cache = None,
) -> None:
    """Prompts that name no style, each with a reference picture: is its style taken?"""
    from ediffi.model import Cascade
    from ediffi.pictogram.grid import Grid
    from studies import style_transfer
    from studies.style_prompts import STYLE_PROMPTS

    rows = prompts or STYLE_PROMPTS
    if check:
        return _style_check(output, rows, cache)
    cascade, grid = Cascade.from_pretrained(model), Grid.load(cache)
    with progress_bars() as report:
        results = style_transfer.run(
            cascade,
            rows,
            output,
            grid=grid,
            references=references,
            cache_dir=cache,
            report=report,
        )
    typer.echo(json.dumps(results, indent=2))


def _style_check(output: Path, prompts: Path | Traversable, cache: Path | None) -> None:
    from ediffi.core.files import make_folder, write_atomically
    from ediffi.pictogram.grid import Grid
    from studies.style_check import check, style_check_table
    from studies.style_prompts import read_style_prompts

    rows, grid = read_style_prompts(prompts), Grid.load(cache)
    make_folder(output)
    with progress_bars() as report:
        found = check(grid, rows, report)
    write_atomically(output / "style-check.json", (json.dumps(found, indent=2) + "\n").encode())
    typer.echo(style_check_table(found))


@app.command()
def clip(
    output: Output,
    clip: Annotated[Path, typer.Option(help="The folder that `ediffi train clip` wrote.")],
    cache: Cache = None,
) -> None:
    """What a CLIP knows of drawings that it was not trained on."""
    from ediffi.pictogram.grid import Grid
    from studies import clip as protocol

    if not (clip / "config.json").is_file():
        raise UserError(f"--clip {clip} is no CLIP's folder: it has no config.json")
    with progress_bars() as report:
        results = protocol.run(str(clip), output, grid=Grid.load(cache), report=report)
    typer.echo(protocol.page(results))


@app.command()
def instrument(
    output: Output,
    model: Model = "pictogram",
    split: Annotated[str, typer.Option(help="train or held-out.")] = "train",
    num_images: Annotated[int, typer.Option("--num-images", "-n", min=8)] = 1000,
    stage: Annotated[
        int | None, typer.Option(help="Size of pictures. Default: the base's.")
    ] = None,
    extractor: Annotated[
        str, typer.Option(help="efficientnet-lite0, or small-judge-64.")
    ] = "efficientnet-lite0",
    cache: Cache = None,
) -> None:
    """What the standard evaluation says of real pictures whose answer is known; draws nothing."""
    from ediffi.core.files import make_folder, write_atomically
    from studies.instrument import check, check_table

    asked = {"split": split, "num_images": num_images, "stage": stage, "extractor": extractor}
    with open_context(settings_of(asked), model, output, 1, cache) as context:
        make_folder(output)
        rows = check(context)
        facts = {"judges": context.judges.accuracy, "rows": rows}
    write_atomically(output / "check.json", (json.dumps(facts, indent=2) + "\n").encode())
    typer.echo(check_table(rows))


if __name__ == "__main__":
    sys.exit(main(app=app))
