"""`ediffi train`: train a stage of the cascade, or go on where it stopped."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ediffi.cli.options import DeviceName
from ediffi.cli.train_clip import clip
from ediffi.cli.train_expert import expert
from ediffi.cli.train_watermark import watermark
from ediffi.cli.training import (
    Device,
    ExamplesFolder,
    Parallel,
    ParallelForm,
    Workers,
    asked_recipe,
    collection_of,
    fields_of,
    prepare,
    ranked,
    run_to_end,
)
from ediffi.core.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

    from ediffi.train.config import Recipe
    from ediffi.train.examples import Examples
    from ediffi.train.parallel import Ranks
    from ediffi.train.state import TrainState

app = typer.Typer(
    name="train", help="Train a stage; the same command resumes it.", no_args_is_help=True
)

STAGES = {
    "base": """Train the base: text to 64x64 pixels.

    ediffi train base --model my-model

    ediffi train base --preset tiny --run trial --num-images 64   # a minute, to see that all works

    ediffi train base --clip my-clip --from pictogram --model my-model   # with CLIP beside T5

    ediffi train base --data my-shards --run my-run --model my-model   # pictures of your own

    ediffi train base --set optimiser.learning_rate=5e-4 --show   # the whole recipe

    torchrun --nproc-per-node 2 -m -- ediffi train base --parallel fsdp   # two processes, one run
    """,
    "sr256": """Train the first upscaler: 64x64 to 256x256 pixels.

    ediffi train sr256 --model my-model
    """,
    "sr1024": """Train the second upscaler: 256x256 to 1024x1024 pixels, on crops of 256.

    ediffi train sr1024 --from my-model --from-stage sr256 --model my-model
    """,
}


def _command(stage: str) -> Callable[..., None]:
    def command(
        preset: Annotated[
            str, typer.Option(help="Shape and recipe: pictogram, or tiny for a trial.")
        ] = "pictogram",
        run: Annotated[
            Path | None,
            typer.Option(help="Folder of the run. Default: runs/PRESET-STAGE in the user's cache."),
        ] = None,
        num_images: Annotated[
            int | None,
            typer.Option(min=1, help="Images to train on in all; may be raised on resume."),
        ] = None,
        vocabulary: Annotated[
            str | None,
            typer.Option(help="File with a hexcode a line, or all. Default: as the preset says."),
        ] = None,
        styles: Annotated[
            str | None, typer.Option(help="Drawing styles, e.g. noto,twemoji.")
        ] = None,
        data: Annotated[
            Path | None,
            typer.Option(help="Folder of shards (see `ediffi data import`) instead of scenes."),
        ] = None,
        weights: Annotated[
            Path | None,
            typer.Option(help="File of `ediffi data balance`: how often pictures of --data come."),
        ] = None,
        embeddings: Annotated[
            Path | None,
            typer.Option(help="Folder `ediffi encode` wrote of the same data: no encoder is run."),
        ] = None,
        clip: Annotated[
            Path | None,
            typer.Option(
                help="CLIP folder that fills clip_text and clip_image. Default: that of --model or "
                "--from; may be another than that of --from, and is then learned."
            ),
        ] = None,
        dropout: Annotated[
            str | None,
            typer.Option(help="How often roles are dropped: t5=0.25,clip_text=0.2,clip_image=0.9."),
        ] = None,
        initial: Annotated[
            str | None,
            typer.Option("--from", help="Model whose weights of this stage a new run takes."),
        ] = None,
        from_stage: Annotated[
            str | None, typer.Option(help="Stage of that model instead, e.g. sr256 for sr1024.")
        ] = None,
        model: Annotated[
            Path | None,
            typer.Option(help="Model folder, new or old, that gets the averaged weights at last."),
        ] = None,
        seed: Annotated[int, typer.Option(min=0, help="Of scenes, noise and fresh weights.")] = 0,
        changes: Annotated[
            list[str] | None,
            typer.Option("--set", help="Any field of the recipe: optimiser.learning_rate=5e-4."),
        ] = None,
        show: Annotated[
            bool, typer.Option("--show", help="Print the whole recipe and stop.")
        ] = False,
        examples: ExamplesFolder = None,
        workers: Workers = 2,
        device: Device = DeviceName.auto,
        parallel: ParallelForm = Parallel.ddp,
    ) -> None:
        from ediffi.cli.encoders import dropout_of, training_encoders
        from ediffi.pictogram.sources import cache_root
        from ediffi.train.examples import Examples, fingerprint, measure_sigma_data
        from ediffi.train.export import export_stage, started_from

        fields = fields_of(changes or [])
        if num_images:
            fields["schedule.num_images"] = num_images
        if weights and data is None:
            raise UserError("--weights weighs pictures of --data FOLDER")
        config = asked_recipe(preset, stage, seed, data, vocabulary, styles, fields)
        if show:
            typer.echo(config.model_dump_json(indent=2))
            return
        if model and model.exists() and not model.is_dir():
            raise UserError(f"--model {model} is a file: give the name of a folder")
        config, collection = collection_of(config, data, weights)
        encoders, specs, carried = training_encoders(embeddings, clip, initial, model)
        given, origin = started_from(initial, from_stage or stage) if initial else (None, None)
        widths = {role: encoder.width for role, encoder in encoders.items()}
        found = {
            "network.roles": config.network.roles | widths,
            "data.dropout": dropout_of(encoders, dropout),
            "data.fingerprint": fingerprint(collection, specs),
            "origin": origin,
        }
        config, folder = config.changed(found), examples or cache_root() / "examples"
        batches = Examples(config, collection, encoders, folder=folder, workers=workers)
        with ranked(device, parallel) as ranks:
            prepare(batches, ranks)
            if data and stage == "base":  # what the preset says was measured on scenes
                measured = round(measure_sigma_data(batches), 3)
                config = config.changed({"sigma_data": measured})
            run_dir = run or cache_root() / "runs" / f"{preset}-{stage}"
            state = _train(config, run_dir, batches, ranks, given)
            if model:
                digest = export_stage(state, collection, specs, model, clip=carried)
                typer.echo(f"{model} has the new {stage}; the model's hash is {digest}")

    return command


for _stage, _help in STAGES.items():
    app.command(_stage, help=_help)(_command(_stage))
app.command("clip")(clip)
app.command("expert")(expert)
app.command("watermark")(watermark)


def _train(
    config: Recipe,
    run_dir: Path,
    examples: Examples,
    ranks: Ranks,
    weights: dict[str, Tensor] | None,
) -> TrainState[Recipe]:
    """Train the prior, if the stage has one that is not given, and then the denoiser around it."""
    from ediffi.train.recipes import prior_recipe
    from ediffi.train.samples import sample_grid
    from ediffi.train.state import stage_state

    inside = {n: t for n, t in (weights or {}).items() if n.startswith("prior.")}
    prior = {n.removeprefix("prior."): t for n, t in inside.items()} or None
    before = None if prior else prior_recipe(config)
    if before is not None:
        typer.echo("first the prior, then the denoiser around it")
        first = stage_state(before, ranks=ranks)
        run_to_end(first, run_dir / "prior", examples)
        prior = first.averaged()
    state = stage_state(config, ranks=ranks, prior=prior, initial=weights, report=typer.echo)
    run_to_end(state, run_dir, examples, partial(sample_grid, state, examples))
    return state
