"""`ediffi compare`: two models side by side."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from ediffi.cli.evaluate import open_context
from ediffi.core.errors import UserError


def compare(
    a: Annotated[str, typer.Argument(help="A model: shipped, a folder, or a hub name.")],
    b: Annotated[str, typer.Argument(help="Another, or the same with other weights.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the page.")],
    num_images: Annotated[int, typer.Option("--num-images", "-n", min=8)] = 64,
    prompts: Annotated[
        Path | None, typer.Option(help="A file with a prompt a line. Default: scenes of A's grid.")
    ] = None,
    stage: Annotated[int | None, typer.Option(help="Size of pictures. Default: A's base.")] = None,
    extractor: Annotated[
        str, typer.Option(help="efficientnet-lite0 or small-judge-64.")
    ] = "efficientnet-lite0",
    processes: Annotated[int, typer.Option(min=1, help="That draw at the same time.")] = 1,
    cache: Annotated[Path | None, typer.Option(help="Where the grid was built.")] = None,
) -> None:
    """Draw the same prompts and seeds with two models; the page opens from disk.

    OUTPUT/index.html holds pictures and figures and needs no network; OUTPUT/compare.json the
    figures. Run it again after an interruption. Example:

    ediffi compare pictogram my-model -o a-and-b
    """
    texts = None if prompts is None else _lines(prompts)
    from ediffi.evaluate.comparison import compare as run
    from ediffi.evaluate.evaluation import Settings
    from ediffi.model import Cascade, stages_to_run

    settings = Settings(num_images=num_images, stage=stage, extractor=extractor)
    open_second = partial(Cascade.from_pretrained, b)
    second = open_second()
    with open_context(settings, a, output, processes, cache) as context:
        for cascade in (context.cascade, second):
            stages_to_run(cascade.config, context.stage)  # a wrong --stage is told before any work
        run(context, second, open_second, texts)
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
