"""`ediffi evaluate`: measure a model by a written protocol."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ediffi.cli.lists import names
from ediffi.core.errors import UserError

if TYPE_CHECKING:
    from ediffi.evaluate.evaluation import Context, Settings


def evaluate(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the results.")],
    model: Annotated[
        str | None,
        typer.Argument(help="Shipped model, its folder, or a hub name. Default: pictogram."),
    ] = None,
    data: Annotated[
        str | None, typer.Option(help="pictogram, or a file of captions in COCO's format.")
    ] = None,
    split: Annotated[str | None, typer.Option(help="train or held-out. Default: train.")] = None,
    metrics: Annotated[
        str | None,
        typer.Option(
            help="Of fd,kid,clip,concept,style,compose,diversity,memorization,layout. Default: all."
        ),
    ] = None,
    guidance: Annotated[
        str | None,
        typer.Option(help="Scales, e.g. 0,1,2,3,5,8. Default: the one that the model ships with."),
    ] = None,
    num_images: Annotated[
        int | None, typer.Option("--num-images", "-n", min=8, help="At each scale. Default: 1000.")
    ] = None,
    stage: Annotated[
        int | None, typer.Option(help="Size of pictures. Default: the base's.")
    ] = None,
    extractor: Annotated[
        str | None,
        typer.Option(help="efficientnet-lite0, or small-judge-64 (milliseconds a picture)."),
    ] = None,
    from_: Annotated[
        Path | None, typer.Option("--from", help="A record.json, whose settings are run again.")
    ] = None,
    images: Annotated[
        Path | None, typer.Option(help="With captions in COCO's format: folder of their pictures.")
    ] = None,
    inception_weights: Annotated[
        Path | None, typer.Option(help="For FID: the reference Inception's weights.")
    ] = None,
    clip: Annotated[
        Path | None,
        typer.Option(help="For CLIP score: a transformers CLIP's folder."),
    ] = None,
    resize: Annotated[str, typer.Option(help="For FID: legacy-tf or clean.")] = "legacy-tf",
    processes: Annotated[int, typer.Option(min=1, help="That draw at the same time.")] = 1,
    cache: Annotated[Path | None, typer.Option(help="Where the grid was built.")] = None,
) -> None:
    """Draw pictures, score them, and write a record with the whole protocol.

    Run it again after an interruption: pictures that are drawn are kept. Needs the extra
    `evaluate` and the built grid. Examples:

    ediffi evaluate -o report

    ediffi evaluate my-model --split held-out --guidance 0,1,2,3,5,8 --metrics fd,kid,clip -o curve

    ediffi evaluate --from report/record.json -o again

    ediffi evaluate my-model --data captions.json --images val2014 --inception-weights w.pth -o fid
    """
    asked = {
        "split": split,
        "metrics": names(metrics),
        "guidance": _scales(guidance),
        "num_images": num_images,
        "stage": stage,
        "extractor": extractor,
    }
    asked = {name: value for name, value in asked.items() if value is not None}
    if data not in (None, "pictogram"):
        if images is None:
            raise UserError("captions in COCO's format need --images FOLDER to compare with")
        canonical = {"weights": inception_weights, "clip": clip, "resize": resize}
        return _coco(model, Path(data or ""), images, canonical, asked, processes, output)
    _standard(model, asked, from_, processes, cache, output)


def _standard(
    model: str | None,
    asked: dict[str, Any],
    from_: Path | None,
    processes: int,
    cache: Path | None,
    output: Path,
) -> None:
    from ediffi.evaluate.evaluation import evaluate as run
    from ediffi.evaluate.evaluation import read_record

    settings, before = settings_of(asked), None
    if from_ is not None:
        settings, before = read_record(from_)
        if asked:
            raise UserError(f"--from takes all settings from {from_}: leave out {', '.join(asked)}")
    name = model or (before["protocol"]["model"] if before else "pictogram")
    with open_context(settings, name, output, processes, cache) as context:
        now = context.cascade.hash
        if before and not model and now != before["protocol"]["model_hash"]:
            raise UserError(
                f"{from_} was made with other weights of {name} "
                f"({before['protocol']['model_hash']}, now {now}): "
                "name the model to run its protocol on these"
            )
        record = run(context)
    from ediffi.evaluate.plots import plot_record, summary

    plot_record(record, output)
    typer.echo(summary(record))
    if before:
        same = all(before[key] == record[key] for key in before if key != "timestamps")
        typer.echo("the same record as before" if same else f"NOT the same record as {from_}")


def settings_of(asked: dict[str, Any]) -> Settings:
    """What was asked for, all metrics unless some are named."""
    from pydantic import ValidationError

    from ediffi.evaluate.evaluation import CURVE_METRICS, Settings, headline_metrics

    every = {"metrics": (*CURVE_METRICS, *headline_metrics())}
    try:
        return Settings.model_validate({**every, **asked})
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]).replace("_", "-")
        raise UserError(f"--{name}: {first['msg'].removeprefix('Value error, ')}") from error


def _coco(
    model: str | None,
    captions: Path,
    images: Path,
    canonical: dict[str, Any],
    asked: dict[str, Any],
    processes: int,
    output: Path,
) -> None:
    from ediffi.evaluate.canonical import CanonicalSettings, evaluate_captions
    from ediffi.model import Cascade

    wrong = set(asked) - {"guidance", "num_images", "stage"}
    if wrong:
        raise UserError(
            f"with captions in COCO's format there is no --{', --'.join(sorted(wrong))}"
        )
    settings = CanonicalSettings.of(captions=captions, images=images, **canonical, **asked)
    name = model or "pictogram"
    with progress_bars() as report:
        record = evaluate_captions(
            Cascade.from_pretrained(name),
            partial(Cascade.from_pretrained, name),
            settings,
            output,
            processes=processes,
            report=report,
        )
    typer.echo(json.dumps(record["curve"], indent=2))


def _scales(text: str | None) -> tuple[float, ...] | None:
    try:
        return None if text is None else tuple(float(part) for part in text.split(","))
    except ValueError:
        raise UserError(f"--guidance is {text!r}: give scales like 0,1,2,3,5,8") from None


@contextmanager
def open_context(
    settings: Settings, model: str, output: Path, processes: int, cache: Path | None
) -> Iterator[Context]:
    """All that an evaluation of a model needs, with a progress bar for each of its parts."""
    from ediffi.evaluate.evaluation import Context
    from ediffi.model import Cascade
    from ediffi.pictogram.grid import Grid

    cascade, grid = Cascade.from_pretrained(model), Grid.load(cache)
    with progress_bars() as report:
        yield Context(
            settings=settings,
            cascade=cascade,
            open_cascade=partial(Cascade.from_pretrained, model),
            grid=grid,
            folder=output,
            processes=processes,
            cache_dir=cache,
            report=report,
        )


@contextmanager
def progress_bars() -> Iterator[Callable[[str, int, int], None]]:
    """A progress bar for each thing that is reported on."""
    from rich.console import Console
    from rich.progress import Progress, TaskID

    tasks: dict[str, TaskID] = {}
    with Progress(console=Console(stderr=True)) as progress:

        def report(what: str, more: int, total: int) -> None:
            if what not in tasks or progress.tasks[tasks[what]].finished:
                tasks[what] = progress.add_task(what, total=total)
            progress.advance(tasks[what], more)

        yield report
