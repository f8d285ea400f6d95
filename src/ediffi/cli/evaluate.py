"""`ediffi evaluate`: measure a model by a written protocol."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ediffi.cli.bias import bias
from ediffi.cli.display import report_bars
from ediffi.cli.lists import names
from ediffi.core.errors import UserError

if TYPE_CHECKING:
    from ediffi.evaluate.evaluation import Evaluation, Settings

app = typer.Typer(
    name="evaluate", help="Measure a model by a written protocol.", no_args_is_help=True
)

app.command("bias")(bias)

Output = Annotated[Path, typer.Option("--output", "-o", help="Folder for the results.")]
Model = Annotated[str, typer.Argument(help="Shipped model, its folder, or a hub name.")]
Guidance = Annotated[
    str | None,
    typer.Option(help="Scales, e.g. 0,1,2,3,5,8. Default: the one that the model ships with."),
]
Stage = Annotated[int | None, typer.Option(help="Size of pictures. Default: the base's.")]
Features = Annotated[
    str, typer.Option("--extractor", help="efficientnet-lite0, or the folder of a CLIP.")
]
Processes = Annotated[int, typer.Option(min=1, help="That draw at the same time.")]
Cache = Annotated[Path | None, typer.Option(help="Where the grid was built.")]


@app.callback()
def _group() -> None:
    """Measure a model by a written protocol.

    Run a command again after an interruption: pictures that are drawn are kept. Needs the extra
    `evaluate`.
    """


@app.command()
def run(
    output: Output,
    model: Model = "pictogram",
    data: Annotated[
        str, typer.Option(help="pictogram, or a folder that `ediffi data import` wrote.")
    ] = "pictogram",
    split: Annotated[str, typer.Option(help="Of the pictogram grid: train or held-out.")] = "train",
    metrics: Annotated[
        str | None,
        typer.Option(help="Of fd,kid,clip,concept,style,diversity,memorization. Default: all."),
    ] = None,
    guidance: Guidance = None,
    num_images: Annotated[
        int, typer.Option("--num-images", "-n", min=8, help="At each scale.")
    ] = 1000,
    stage: Stage = None,
    extractor: Features = "efficientnet-lite0",
    processes: Processes = 1,
    cache: Cache = None,
) -> None:
    """Draw captions, score the pictures, and write a record with the whole protocol.

    Captions are of scenes of the built pictogram grid, or of your own collection. Examples:

    ediffi evaluate run -o report

    ediffi evaluate run my-model --data my-shards --num-images 200 -o report

    ediffi evaluate run my-model --guidance 0,1,2,3,5,8 --metrics fd,kid,clip -o curve
    """
    from ediffi.evaluate.evaluation import Settings

    settings = Settings.of(
        data=data,
        split=split,
        metrics=names(metrics),
        guidance=_scales(guidance),
        num_images=num_images,
        stage=stage,
        extractor=extractor,
    )
    with open_evaluation(settings, model, output, processes, cache) as evaluation:
        _measure(evaluation)


@app.command()
def again(
    record: Annotated[Path, typer.Argument(help="A record.json, whose settings are run again.")],
    output: Output,
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="Another one, or with other weights.")
    ] = None,
    processes: Processes = 1,
    cache: Cache = None,
) -> None:
    """Run the protocol of a record again, and say whether the new record is the same.

    ediffi evaluate again report/record.json -o again
    """
    from ediffi.evaluate.record import read_record

    settings, before = read_record(record)
    name, weights = before["protocol"]["model"], before["protocol"]["model_hash"]
    with open_evaluation(settings, model or name, output, processes, cache) as evaluation:
        now = evaluation.subject.cascade.hash
        if not model and now != weights:
            raise UserError(
                f"{record} was made with other weights of {name} ({weights}, now {now}): "
                "name the model with --model to run its protocol on these"
            )
        found = _measure(evaluation)
    same = all(before[key] == found[key] for key in before if key != "timestamps")
    typer.echo("the same record as before" if same else f"NOT the same record as {record}")


@app.command()
def coco(
    captions: Annotated[Path, typer.Argument(help="Captions in COCO's format.")],
    images: Annotated[Path, typer.Argument(help="Folder of their pictures.")],
    output: Output,
    model: Annotated[
        str, typer.Option("--model", "-m", help="Shipped model, its folder, or a hub name.")
    ] = "pictogram",
    inception: Annotated[
        Path | None, typer.Option(help="For FID: the reference Inception's weights.")
    ] = None,
    clip: Annotated[
        Path | None, typer.Option(help="For CLIP score and CMMD: a transformers CLIP's folder.")
    ] = None,
    resize: Annotated[str, typer.Option(help="For FID: legacy-tf or clean.")] = "legacy-tf",
    guidance: Guidance = None,
    num_images: Annotated[
        int, typer.Option("--num-images", "-n", min=2, help="At each scale.")
    ] = 30_000,
    stage: Annotated[
        int | None, typer.Option(help="Size of pictures. Default: the last stage's.")
    ] = None,
    processes: Processes = 1,
) -> None:
    """FID and CLIP score as papers give them, with weights from files.

    ediffi evaluate coco captions_val2014.json val2014 --inception inception.pth -m my-model -o fid
    """
    from ediffi.evaluate.coco import CocoProtocol, CocoSettings
    from ediffi.evaluate.gallery import Subject

    settings = CocoSettings.of(
        captions=captions,
        images=images,
        inception=inception,
        clip=clip,
        resize=resize,
        guidance=_scales(guidance),
        num_images=num_images,
        stage=stage,
    )
    with report_bars() as report:
        subject = Subject.open(model, output, processes=processes, report=report)
        record = CocoProtocol(settings, subject).run()
    typer.echo(json.dumps(record["curve"], indent=2))


def _measure(evaluation: Evaluation) -> dict[str, object]:
    """Write the record and its plots, and print its table."""
    from ediffi.evaluate.plots import plot_record
    from ediffi.evaluate.record import evaluate
    from ediffi.evaluate.report import summary

    record = evaluate(evaluation)
    plot_record(record, evaluation.subject.folder)
    typer.echo(summary(record))
    return record


def _scales(text: str | None) -> tuple[float, ...] | None:
    try:
        return None if text is None else tuple(float(part) for part in text.split(","))
    except ValueError:
        raise UserError(f"--guidance is {text!r}: give scales like 0,1,2,3,5,8") from None


@contextmanager
def open_evaluation(
    settings: Settings, model: str, output: Path, processes: int, cache: Path | None
) -> Iterator[Evaluation]:
    """All that an evaluation of a model needs, with a progress bar for each of its parts."""
    from ediffi.evaluate.evaluation import Evaluation
    from ediffi.evaluate.gallery import Subject

    with report_bars() as report:
        subject = Subject.open(model, output, processes=processes, report=report)
        yield Evaluation.open(settings, subject, cache)
