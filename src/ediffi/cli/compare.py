"""`ediffi compare`: two models side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ediffi.cli.evaluate import Cache, Features, Output, Processes, open_evaluation
from ediffi.core.errors import UserError


def compare(
    a: Annotated[str, typer.Argument(help="A model: shipped, a folder, or a hub name.")],
    b: Annotated[str, typer.Argument(help="Another, or the same with other weights.")],
    output: Output,
    num_images: Annotated[int, typer.Option("--num-images", "-n", min=8)] = 64,
    prompts: Annotated[
        Path | None, typer.Option(help="A file with a prompt a line. Default: captions of --data.")
    ] = None,
    data: Annotated[
        str, typer.Option(help="pictogram, or a folder that `ediffi data import` wrote.")
    ] = "pictogram",
    stage: Annotated[int | None, typer.Option(help="Size of pictures. Default: A's base.")] = None,
    extractor: Features = "efficientnet-lite0",
    processes: Processes = 1,
    cache: Cache = None,
) -> None:
    """Draw the same prompts and seeds with two models; the page opens from disk.

    OUTPUT/index.html holds pictures and figures and needs no network; OUTPUT/compare.json the
    figures. Run it again after an interruption. Example:

    ediffi compare pictogram my-model -o a-and-b
    """
    texts = None if prompts is None else _lines(prompts)
    from ediffi.evaluate.comparison import compare as run
    from ediffi.evaluate.evaluation import Settings
    from ediffi.evaluate.gallery import Subject
    from ediffi.model import stages_to_run

    settings = Settings.of(data=data, num_images=num_images, stage=stage, extractor=extractor)
    with open_evaluation(settings, a, output, processes, cache) as evaluation:
        first = evaluation.subject
        second = Subject.open(b, output, processes=processes, report=first.report)
        for subject in (first, second):
            stages_to_run(subject.cascade.config, evaluation.stage)  # a wrong --stage is told first
        run(evaluation, second, texts)
    typer.echo(f"wrote {output / 'index.html'}")


def _lines(path: Path) -> list[str]:
    try:
        lines = [line.strip() for line in path.read_text("utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read --prompts {path}: {error}") from error
    texts = [line for line in lines if line]
    if len(texts) < 2:
        raise UserError(f"--prompts {path} has {len(texts)} prompts: at least two are needed")
    return texts
