"""`python -m studies`: the protocols that measure the default model."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ediffi.cli.evaluate import Cache, Features, Output, Processes, open_evaluation, progress_bars
from ediffi.cli.main import main
from ediffi.core.errors import UserError

if TYPE_CHECKING:
    from ediffi.evaluate.evaluation import Evaluation
    from ediffi.evaluate.gallery import Subject
    from ediffi.pictogram.grid import Grid

app = typer.Typer(
    name="studies",
    help="Protocols of the default model. They need the extra `evaluate` and the built grid.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Model = Annotated[str, typer.Argument(help="Shipped model, its folder, or a hub name.")]
Prompts = Annotated[Path | None, typer.Option(help="What to draw, a JSON object a line.")]
Split = Annotated[str, typer.Option(help="train or held-out.")]
Images = Annotated[int, typer.Option("--num-images", "-n", min=8)]
Stage = Annotated[int | None, typer.Option(help="Size of pictures. Default: the base's.")]


@app.command()
def first_weights(
    output: Output,
    model: Model = "pictogram",
    prompts: Prompts = None,
    processes: Processes = 1,
    cache: Cache = None,
) -> None:
    """256 fixed prompts of one thing, through the whole cascade."""
    from studies import first_weights as protocol
    from studies.first_weights_rows import FIRST_WEIGHTS

    with _subject(model, output, processes, cache) as (subject, grid):
        results = protocol.run(subject, prompts or FIRST_WEIGHTS, grid)
    results["upscalers"].pop("by_picture")
    typer.echo(json.dumps(results, indent=2))


@app.command()
def compose(
    output: Output,
    model: Model = "pictogram",
    prompts: Prompts = None,
    stage: Stage = None,
    processes: Processes = 1,
    cache: Cache = None,
) -> None:
    """700 fixed prompts: things, counts, colours, places; is what was asked for there?"""
    from studies import compose as protocol
    from studies.compose_rows import COMPOSE

    with _evaluation(model, output, processes, cache, stage=stage) as evaluation:
        results = protocol.run(evaluation, prompts or COMPOSE)
    typer.echo(protocol.compose_table(results))


@app.command()
def copies(
    output: Output,
    model: Model = "pictogram",
    split: Split = "train",
    num_images: Images = 1000,
    stage: Stage = None,
    processes: Processes = 1,
    cache: Cache = None,
) -> None:
    """Are pictures copies of training drawings? Those of `ediffi evaluate run` are looked at."""
    from ediffi.evaluate.report import figure_table
    from studies import copies as protocol

    asked = {"split": split, "num_images": num_images, "stage": stage}
    with _evaluation(model, output, processes, cache, **asked) as evaluation:
        results = protocol.run(evaluation)
    typer.echo(figure_table(results["figures"]))


@app.command()
def layout(
    output: Output,
    model: Model = "pictogram",
    prompts: Prompts = None,
    processes: Processes = 1,
    cache: Cache = None,
) -> None:
    """240 fixed layouts: is each thing where it was painted?"""
    from studies import layout as protocol
    from studies.layout_rows import LAYOUTS

    with _subject(model, output, processes, cache) as (subject, grid):
        results = protocol.run(subject, prompts or LAYOUTS, grid)
    typer.echo(protocol.layout_table(results))


@app.command()
def style(
    output: Output,
    model: Model = "pictogram",
    prompts: Prompts = None,
    references: Annotated[
        Path | None, typer.Option(help="A folder of pictures of other styles, for a sheet.")
    ] = None,
    processes: Processes = 1,
    cache: Cache = None,
) -> None:
    """Prompts that name no style, each with a reference picture: is its style taken?"""
    from studies import style_transfer
    from studies.style_rows import STYLE_PROMPTS

    with _subject(model, output, processes, cache) as (subject, grid):
        results = style_transfer.run(
            subject, prompts or STYLE_PROMPTS, grid, references=references, cache_dir=cache
        )
    typer.echo(json.dumps(results, indent=2))


@app.command()
def style_check(output: Output, prompts: Prompts = None, cache: Cache = None) -> None:
    """Can the judge of styles be trusted? Draws nothing."""
    from ediffi.evaluate.record import write_record
    from ediffi.pictogram.grid import Grid
    from studies.style_check import check, style_check_table
    from studies.style_rows import STYLE_PROMPTS, StylePrompt

    rows, grid = StylePrompt.read(prompts or STYLE_PROMPTS), Grid.load(cache)
    with progress_bars() as report:
        found = check(grid, rows, report)
    write_record(output / "style-check.json", {"rows": found})
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
    split: Split = "train",
    num_images: Images = 1000,
    stage: Stage = None,
    extractor: Features = "efficientnet-lite0",
    cache: Cache = None,
) -> None:
    """What the standard evaluation says of real pictures whose answer is known; draws nothing."""
    from ediffi.evaluate.record import write_record
    from studies.instrument import check, check_table

    asked = {"split": split, "num_images": num_images, "stage": stage, "extractor": extractor}
    with _evaluation(model, output, 1, cache, **asked) as evaluation:
        rows = check(evaluation)
        facts = {"judges": evaluation.judges.accuracy, "rows": rows}
    write_record(output / "check.json", facts)
    typer.echo(check_table(rows))


@contextmanager
def _subject(
    model: str, output: Path, processes: int, cache: Path | None
) -> Iterator[tuple[Subject, Grid]]:
    """The model, with progress bars, and the grid."""
    from ediffi.evaluate.gallery import Subject
    from ediffi.pictogram.grid import Grid

    grid = Grid.load(cache)
    with progress_bars() as report:
        yield Subject.open(model, output, processes=processes, report=report), grid


@contextmanager
def _evaluation(
    model: str, output: Path, processes: int, cache: Path | None, **asked: Any
) -> Iterator[Evaluation]:
    """The model's evaluation on the grid. asked: of `Settings`."""
    from ediffi.evaluate.evaluation import Settings

    with open_evaluation(Settings.of(**asked), model, output, processes, cache) as evaluation:
        yield evaluation


if __name__ == "__main__":
    sys.exit(main(app=app))
