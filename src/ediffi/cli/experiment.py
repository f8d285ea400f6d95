"""`ediffi experiment`: the paper's claims as commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ediffi.cli.evaluate import open_context

app = typer.Typer(
    name="experiment", help="eDiff-I's claims, each as one command.", no_args_is_help=True
)


@app.callback()
def _group() -> None:
    """eDiff-I's claims, each as one command."""


@app.command()
def encoders(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the report.")],
    config: Annotated[
        Path | None,
        typer.Option(help="TOML: model, num_images, guidance, short_words, long_words, extractor."),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="Instead of the config's.")
    ] = None,
    processes: Annotated[int, typer.Option(min=1, help="That draw at the same time.")] = 1,
    cache: Annotated[Path | None, typer.Option(help="Where the grid was built.")] = None,
) -> None:
    """T5 alone, CLIP text alone, both: trade-off curves on short and on long captions.

    Runs the arms that the model has encoders for, and says which are missing. Run it again after
    an interruption. Writes encoders.md, encoders.json and two plots. Example:

    ediffi experiment encoders --config encoders.toml -o docs/results
    """
    from ediffi.evaluate.evaluation import Settings
    from ediffi.evaluate.experiments import EncodersConfig
    from ediffi.evaluate.experiments import encoders as run

    asked = EncodersConfig.read(config)
    asked = asked.model_copy(update={"model": model or asked.model})
    settings = Settings(num_images=asked.num_images, extractor=asked.extractor)
    with open_context(settings, asked.model, output, processes, cache) as context:
        run(context, asked)
    typer.echo((output / "encoders.md").read_text())
