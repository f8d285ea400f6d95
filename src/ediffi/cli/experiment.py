"""`ediffi experiment`: the paper's claims as commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ediffi.cli.evaluate import Cache, Output, Processes, open_evaluation
from ediffi.cli.experiment_experts import experts

app = typer.Typer(
    name="experiment", help="eDiff-I's claims, each as one command.", no_args_is_help=True
)
app.command()(experts)


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


@app.command()
def attention(
    output: Output,
    prompt: Annotated[
        str, typer.Argument(help="What is drawn.")
    ] = "a red fox on a white background",
    second: Annotated[
        str, typer.Argument(help="What takes its place while it is drawn.")
    ] = "a green rocket on a white background",
    model: Annotated[str, typer.Option("--model", "-m", help="Model to look into.")] = "pictogram",
    num_images: Annotated[int, typer.Option("--num", "-n", min=1, max=64, help="Seeds.")] = 4,
    num_steps: Annotated[
        int | None, typer.Option("--steps", min=1, max=1000, help="Of the base.")
    ] = None,
) -> None:
    """Attention to the words against the null token over sigma; the prompt exchanged on the way.

    eDiff-I's figures 3 and 4. Writes attention.json, attention.svg and switched.png; its rows hear
    the second prompt in the last 0, 7, 40, 70 and 100 % of the evaluations. Example:

    ediffi experiment attention -o attention "a red fox" "a green rocket" --steps 24
    """
    from rich.console import Console
    from rich.table import Table

    from ediffi.evaluate.attention import attention_experiment
    from ediffi.model import Cascade

    cascade = Cascade.from_pretrained(model)
    with Console(stderr=True).status("drawing"):
        rows = attention_experiment(
            cascade, (prompt, second), output, num_images=num_images, num_steps=num_steps
        )
    table = Table("sigma", "expert", "words", "null token")
    for row in rows:
        table.add_row(f"{row.sigma:.3g}", row.expert or "", f"{row.text:.3f}", f"{row.null:.3f}")
    Console().print(table)
