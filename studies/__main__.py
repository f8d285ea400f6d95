"""`python -m studies`: the protocols that measure the default model."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ediffi.cli.display import report_bars
from ediffi.cli.evaluate import Cache, Features, Model, Output, Processes, open_evaluation
from ediffi.cli.main import main
from ediffi.cli.scenes import Size, Style, open_composer
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

Prompts = Annotated[Path | None, typer.Option(help="What to draw, a JSON object a line.")]
Split = Annotated[str, typer.Option(help="train or held-out.")]
Images = Annotated[int, typer.Option("--num-images", "-n", min=8)]
Stage = Annotated[int | None, typer.Option(help="Size of pictures. Default: the base's.")]


@dataclass(frozen=True)
class Asked:
    """What every protocol that draws is asked: a model and where its pictures go."""

    output: Path
    model: str
    prompts: Path | None
    processes: int
    cache: Path | None

    @contextmanager
    def subject(self) -> Iterator[tuple[Subject, Grid]]:
        """The model, with progress bars, and the grid."""
        from ediffi.evaluate.gallery import Subject
        from ediffi.pictogram.grid import Grid

        grid = Grid.load(self.cache)
        with report_bars() as report:
            yield (
                Subject.open(self.model, self.output, processes=self.processes, report=report),
                grid,
            )

    @contextmanager
    def evaluation(self, **settings: Any) -> Iterator[Evaluation]:
        """The model's evaluation on the grid. settings: of `Settings`."""
        from ediffi.evaluate.evaluation import Settings

        asked = Settings.of(**settings)
        with open_evaluation(asked, self.model, self.output, self.processes, self.cache) as found:
            yield found


def protocol(run: Callable[[Asked], str]) -> None:
    """A command that draws a fixed list of prompts and prints what `run` says."""

    def command(
        output: Output,
        model: Model = "pictogram",
        prompts: Prompts = None,
        processes: Processes = 1,
        cache: Cache = None,
    ) -> None:
        typer.echo(run(Asked(output, model, prompts, processes, cache)))

    app.command(run.__name__.replace("_", "-"), help=run.__doc__)(command)


@protocol
def first_weights(asked: Asked) -> str:
    """256 fixed prompts of one thing, through the whole cascade."""
    from studies import first_weights as study
    from studies.first_weights_rows import FIRST_WEIGHTS

    with asked.subject() as (subject, grid):
        results = study.run(subject, asked.prompts or FIRST_WEIGHTS, grid)
    results["upscalers"].pop("by_picture")
    return json.dumps(results, indent=2)


@protocol
def compose(asked: Asked) -> str:
    """700 fixed prompts: things, counts, colours, places; is what was asked for there?"""
    from studies import compose as study
    from studies.compose_rows import COMPOSE

    with asked.evaluation() as evaluation:
        return study.compose_table(study.run(evaluation, asked.prompts or COMPOSE))


@protocol
def layout(asked: Asked) -> str:
    """240 fixed layouts: is each thing where it was painted?"""
    from studies import layout as study
    from studies.layout_rows import LAYOUTS

    with asked.subject() as (subject, grid):
        return study.layout_table(study.run(subject, asked.prompts or LAYOUTS, grid))


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

    with Asked(output, model, prompts, processes, cache).subject() as (subject, grid):
        results = style_transfer.run(
            subject, prompts or STYLE_PROMPTS, grid, references=references, cache_dir=cache
        )
    typer.echo(json.dumps(results, indent=2))


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
    from studies import copies as study

    asked = Asked(output, model, None, processes, cache)
    with asked.evaluation(split=split, num_images=num_images, stage=stage) as evaluation:
        results = study.run(evaluation)
    typer.echo(figure_table(results["figures"]))


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

    settings = {"split": split, "num_images": num_images, "stage": stage, "extractor": extractor}
    with Asked(output, model, None, 1, cache).evaluation(**settings) as evaluation:
        rows = check(evaluation)
        facts = {"judges": evaluation.judges.accuracy, "rows": rows}
    write_record(output / "check.json", facts)
    typer.echo(check_table(rows))


@app.command()
def style_check(output: Output, prompts: Prompts = None, cache: Cache = None) -> None:
    """Can the judge of styles be trusted? Draws nothing."""
    from ediffi.evaluate.record import write_record
    from ediffi.pictogram.grid import Grid
    from studies.style_check import check, style_check_table
    from studies.style_rows import STYLE_PROMPTS, StylePrompt

    rows, grid = StylePrompt.read(prompts or STYLE_PROMPTS), Grid.load(cache)
    with report_bars() as report:
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
    from studies import clip as study

    if not (clip / "config.json").is_file():
        raise UserError(f"--clip {clip} is no CLIP's folder: it has no config.json")
    with report_bars() as report:
        results = study.run(str(clip), output, grid=Grid.load(cache), report=report)
    typer.echo(study.page(results))


@app.command()
def scenes_speed(
    num_scenes: Annotated[int, typer.Option(min=1, help="Scenes to draw.")] = 500,
    size: Size = 64,
    style: Style = None,
    cache: Cache = None,
) -> None:
    """How many scenes of all concepts a core composes, captions and draws a second."""
    from studies.speed import time_scenes

    time_scenes(open_composer(0, style, True, cache), num_scenes, size)


@app.command()
def regions_speed(
    model: Model = "pictogram",
    repeats: Annotated[int, typer.Option(min=1, help="Steps of each kind; medians.")] = 3,
) -> None:
    """What two painted phrases cost a step of each stage."""
    from studies.speed import time_regions

    time_regions(model, repeats)


@app.command()
def load(
    model: Model = "pictogram",
    clients: Annotated[int, typer.Option(min=1, help="Who ask at once.")] = 64,
    seconds: Annotated[float, typer.Option(min=1, help="How long they ask.")] = 300,
    jobs: Annotated[int, typer.Option(min=1, help="Jobs, at most.")] = 100_000,
    killed: Annotated[int, typer.Option(min=3, help="Jobs of the server that is killed.")] = 60,
    size: Annotated[int | None, typer.Option(help="Pixels. Default: the base's.")] = None,
) -> None:
    """A server under load: is anything lost, doubled or mixed up, and what do batches gain?"""
    from studies.load import whole

    typer.echo(json.dumps(whole(model, clients, seconds, jobs, killed, size), indent=2))


@app.command()
def watermark(
    output: Output,
    weights: Annotated[
        Path | None, typer.Option(help="Of `ediffi train watermark`. Default: the shipped ones.")
    ] = None,
    drawn: Annotated[
        Path | None, typer.Option(help="Folder of unmarked PNGs that a model has drawn.")
    ] = None,
    marked: Annotated[int, typer.Option(min=1, help="Marked pictures.")] = 1000,
    unmarked: Annotated[int, typer.Option(min=0, help="Unmarked pictures.")] = 10_000,
    searched: Annotated[int, typer.Option(min=0, help="Of them, searched at all sizes.")] = 200,
    cache: Cache = None,
) -> None:
    """The mark in the pixels under 20 transformations; what signing costs."""
    from ediffi.core.files import make_folder
    from ediffi.pictogram.composer import Composer
    from ediffi.pictogram.grid import Grid
    from ediffi.pictogram.scenes import Scenes
    from ediffi.train.recipes import recipe
    from ediffi.trust.watermark.mark import Watermark, shipped_watermark
    from studies import watermark as study

    mark = Watermark.load(weights) if weights else shipped_watermark()
    if mark is None:
        raise UserError("no watermark ships with ediffi: give --weights")
    scenes = Scenes(Composer(Grid.load(cache), recipe("pictogram", "sr256").data.scenes))
    make_folder(output)
    with report_bars() as report:
        results = study.run(
            mark,
            scenes,
            drawn,
            marked=marked,
            unmarked=unmarked,
            searched=searched,
            report=report,
        )
    (output / "watermark.json").write_text(json.dumps(results, indent=2) + "\n")
    typer.echo(study.table(results))
    typer.echo(json.dumps({n: v for n, v in results.items() if n != "rows"}, indent=2))


@app.command()
def detector(
    output: Output,
    model: Model = "pictogram",
    num_images: Annotated[int, typer.Option("--num-images", "-n", min=16)] = 160,
    stage: Annotated[int, typer.Option(help="Size of pictures.")] = 256,
    cache: Cache = None,
) -> None:
    """Fit the detector of pictures without a mark, and judge it."""
    from ediffi.core.files import make_folder
    from ediffi.pictogram.composer import Composer
    from ediffi.pictogram.grid import Grid
    from ediffi.pictogram.scenes import Scenes
    from ediffi.train.recipes import recipe
    from studies import detector as study

    scenes = Scenes(Composer(Grid.load(cache), recipe("pictogram", "sr256").data.scenes))
    make_folder(output)
    with report_bars() as report:
        found, results = study.run(model, scenes, output, num_images, stage, report)
    found.save(output / "detector.safetensors")
    (output / "detector.json").write_text(json.dumps(results, indent=2) + "\n")
    typer.echo(study.table(results))


@app.command()
def house(
    revision: Annotated[
        str | None, typer.Argument(help="A commit. Default: the files as they are.")
    ] = None,
) -> None:
    """Lines of every room, longest function and file, number of options."""
    from studies.house import house_table, read_files

    typer.echo(house_table(read_files(revision)))


@app.command()
def influence(
    output: Output,
    num_subsets: Annotated[
        int, typer.Option(min=4, help="Models that are trained on a half of the pictures.")
    ] = 16,
    cache: Cache = None,
) -> None:
    """Is what is near what a model learnt from? D-TRAK and nearness by their LDS, on a tiny model.

    python -m studies influence -o influence
    """
    from ediffi.core.files import make_folder, write_atomically
    from ediffi.pictogram.grid import Grid
    from studies.influence import Settings, study

    with report_bars() as report:
        record = study(Grid.load(cache), Settings(num_subsets=num_subsets), report)
    make_folder(output)
    write_atomically(output / "influence.json", (json.dumps(record, indent=1) + "\n").encode())
    typer.echo(json.dumps(record["lds"], indent=1))


if __name__ == "__main__":
    sys.exit(main(app=app))
