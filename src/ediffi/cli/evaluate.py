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
from ediffi.errors import UserError

if TYPE_CHECKING:
    from ediffi.evaluate.evaluation import Context, Settings

PROTOCOLS = ("standard", "first-weights", "layout", "style", "clip")


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
    check: Annotated[
        bool, typer.Option("--check", help="Test the instrument on real pictures; draws nothing.")
    ] = False,
    images: Annotated[
        Path | None, typer.Option(help="With captions in COCO's format: folder of their pictures.")
    ] = None,
    inception_weights: Annotated[
        Path | None, typer.Option(help="For FID: the reference Inception's weights.")
    ] = None,
    clip: Annotated[
        Path | None,
        typer.Option(help="For CLIP score and protocol clip: a transformers CLIP's folder."),
    ] = None,
    resize: Annotated[str, typer.Option(help="For FID: legacy-tf or clean.")] = "legacy-tf",
    processes: Annotated[int, typer.Option(min=1, help="That draw at the same time.")] = 1,
    protocol: Annotated[str, typer.Option(help=f"{', '.join(PROTOCOLS)}.")] = PROTOCOLS[0],
    prompts: Annotated[
        Path | None,
        typer.Option(help="Of the other protocols: what to draw, a JSON object a line."),
    ] = None,
    references: Annotated[
        Path | None,
        typer.Option(help="Of the protocol style: a folder of pictures of other styles."),
    ] = None,
    cache: Annotated[Path | None, typer.Option(help="Where the grid was built.")] = None,
) -> None:
    """Draw pictures, score them, and write a record with the whole protocol.

    Run it again after an interruption: pictures that are drawn are kept. Needs the extra
    `evaluate` and the built grid. Examples:

    ediffi evaluate -o report

    ediffi evaluate my-model --split held-out --guidance 0,1,2,3,5,8 --metrics fd,kid,clip -o curve

    ediffi evaluate --from report/record.json -o again

    ediffi evaluate --check --num-images 300 -o check

    ediffi evaluate my-model --data captions.json --images val2014 --inception-weights w.pth -o fid

    ediffi evaluate --protocol first-weights -o docs/results

    ediffi evaluate --protocol layout -o docs/results

    ediffi evaluate --protocol style -o docs/results

    ediffi evaluate --protocol style --check -o check   # can its judge of styles be trusted?

    ediffi evaluate --protocol clip --clip clip -o docs/results
    """
    if protocol not in PROTOCOLS:
        raise UserError(f"no protocol {protocol!r}: known are {', '.join(PROTOCOLS)}")
    if references is not None and protocol != "style":
        raise UserError("--references belong to --protocol style")
    if check and protocol not in ("standard", "style"):
        raise UserError(f"--check belongs to the protocols standard and style, not to {protocol}")
    if check and protocol == "style":
        return _style_check(output, prompts, cache)
    if protocol == "clip":
        return _clip(clip, output, cache)
    if protocol != "standard":
        return _fixed(protocol, model or "pictogram", output, prompts, references, processes, cache)
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
    _standard(model, asked, from_, check, processes, cache, output)


def _standard(
    model: str | None,
    asked: dict[str, Any],
    from_: Path | None,
    check: bool,
    processes: int,
    cache: Path | None,
    output: Path,
) -> None:
    from ediffi.evaluate.evaluation import evaluate as run
    from ediffi.evaluate.evaluation import read_record

    settings, before = _settings(asked), None
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
        record = None if check else run(context)
        table = _check_table(context) if record is None else ""
    if record is None:
        return typer.echo(table)
    from ediffi.evaluate.plots import plot_record, summary

    plot_record(record, output)
    typer.echo(summary(record))
    if before:
        same = all(before[key] == record[key] for key in before if key != "timestamps")
        typer.echo("the same record as before" if same else f"NOT the same record as {from_}")


def _settings(asked: dict[str, Any]) -> Settings:
    from pydantic import ValidationError

    from ediffi.evaluate.evaluation import CURVE_METRICS, Settings, headline_metrics

    every = {"metrics": (*CURVE_METRICS, *headline_metrics())}
    try:
        return Settings.model_validate({**every, **asked})
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]).replace("_", "-")
        raise UserError(f"--{name}: {first['msg'].removeprefix('Value error, ')}") from error


def _check_table(context: Context) -> str:
    from ediffi.evaluate.instrument import check
    from ediffi.evaluate.plots import check_table
    from ediffi.files import make_folder, write_atomically

    make_folder(context.folder)
    rows = check(context)
    facts = {"judges": context.judges.accuracy, "rows": rows}
    write_atomically(context.folder / "check.json", (json.dumps(facts, indent=2) + "\n").encode())
    return check_table(rows)


def _style_check(output: Path, prompts: Path | None, cache: Path | None) -> None:
    from ediffi.data.grid import Grid
    from ediffi.evaluate.style_check import check, style_check_table
    from ediffi.evaluate.style_prompts import STYLE_PROMPTS, read_style_prompts
    from ediffi.files import make_folder, write_atomically

    rows, grid = read_style_prompts(prompts or STYLE_PROMPTS), Grid.load(cache)
    make_folder(output)
    with progress_bars() as report:
        found = check(grid, rows, report)
    write_atomically(output / "style-check.json", (json.dumps(found, indent=2) + "\n").encode())
    typer.echo(style_check_table(found))


def _coco(
    model: str | None,
    captions: Path,
    images: Path,
    canonical: dict[str, Any],
    asked: dict[str, Any],
    processes: int,
    output: Path,
) -> None:
    from ediffi.cascade import Cascade
    from ediffi.evaluate.canonical import CanonicalSettings, evaluate_captions

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


def _fixed(
    protocol: str,
    model: str,
    output: Path,
    prompts: Path | None,
    references: Path | None,
    processes: int,
    cache: Path | None,
) -> None:
    """The protocols that draw a fixed list: prompts, painted layouts, or references."""
    from ediffi.cascade import Cascade
    from ediffi.data.grid import Grid
    from ediffi.evaluate import first_weights, layout, style_transfer
    from ediffi.evaluate.layouts import LAYOUTS
    from ediffi.evaluate.plots import layout_table
    from ediffi.evaluate.prompts import FIRST_WEIGHTS
    from ediffi.evaluate.style_prompts import STYLE_PROMPTS

    cascade, grid = Cascade.from_pretrained(model), Grid.load(cache)
    with progress_bars() as report:
        if protocol == "layout":
            results = layout.run(
                cascade,
                prompts or LAYOUTS,
                output,
                open_cascade=partial(Cascade.from_pretrained, model),
                processes=processes,
                grid=grid,
                report=report,
            )
        elif protocol == "style":
            results = style_transfer.run(
                cascade,
                prompts or STYLE_PROMPTS,
                output,
                grid=grid,
                references=references,
                cache_dir=cache,
                report=report,
            )
        else:
            rows = prompts or FIRST_WEIGHTS
            results = first_weights.run(cascade, rows, output, grid=grid, report=report)
            results["upscalers"].pop("by_picture")
    typer.echo(layout_table(results) if protocol == "layout" else json.dumps(results, indent=2))


def _clip(clip: Path | None, output: Path, cache: Path | None) -> None:
    """The protocol that measures a CLIP alone."""
    from ediffi.data.grid import Grid
    from ediffi.evaluate import clip as protocol

    if clip is None:
        raise UserError("--protocol clip needs --clip FOLDER, what `ediffi train clip` wrote")
    if not (clip / "config.json").is_file():
        raise UserError(f"--clip {clip} is no CLIP's folder: it has no config.json")
    with progress_bars() as report:
        results = protocol.run(str(clip), output, grid=Grid.load(cache), report=report)
    typer.echo(protocol.page(results))


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
    from ediffi.cascade import Cascade
    from ediffi.data.grid import Grid
    from ediffi.evaluate.evaluation import Context

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
