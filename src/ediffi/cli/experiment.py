"""`ediffi experiment`: the paper's claims as commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ediffi.cli.evaluate import Cache, Output, Processes, open_evaluation

app = typer.Typer(
    name="experiment", help="eDiff-I's claims, each as one command.", no_args_is_help=True
)


@app.callback()
def _group() -> None:
    """eDiff-I's claims, each as one command."""


@app.command()
def encoders(
    output: Output,
    config: Annotated[
        Path | None,
        typer.Option(help="TOML: model, num_images, guidance, short_words, long_words, extractor."),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="Instead of the config's.")
    ] = None,
    processes: Processes = 1,
    cache: Cache = None,
) -> None:
    """T5 alone, CLIP text alone, both: trade-off curves on short and on long captions.

    Runs the arms that the model has encoders for, and says which are missing. Run it again after
    an interruption. Writes encoders.md, encoders.json and two plots. Example:

    ediffi experiment encoders --config encoders.toml -o docs/results
    """
    from ediffi.evaluate.encoders import EncodersConfig
    from ediffi.evaluate.encoders import encoders as run
    from ediffi.evaluate.evaluation import Settings

    asked = EncodersConfig.read(config)
    asked = asked.model_copy(update={"model": model or asked.model})
    settings = Settings.of(num_images=asked.num_images, extractor=asked.extractor)
    with open_evaluation(settings, asked.model, output, processes, cache) as evaluation:
        run(evaluation, asked)
    typer.echo((output / "encoders.md").read_text())
