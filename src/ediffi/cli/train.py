"""`ediffi train`: train a stage of the cascade, or go on where it stopped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from ediffi.errors import UserError

app = typer.Typer(
    name="train", help="Train a stage; the same command resumes it.", no_args_is_help=True
)

Preset = Annotated[str, typer.Option(help="Shape and recipe: pictogram, or tiny for a trial.")]
Run = Annotated[
    Path | None,
    typer.Option(help="Folder of the run. Default: runs/PRESET-STAGE in the user's cache."),
]
NumImages = Annotated[
    int | None, typer.Option(min=1, help="Images to train on in all; may be raised on resume.")
]
Vocabulary = Annotated[
    str | None,
    typer.Option(help="File with a hexcode a line, or all. Default: as the preset says."),
]
Styles = Annotated[str | None, typer.Option(help="Drawing styles, e.g. noto,twemoji.")]
Initial = Annotated[
    str | None, typer.Option("--from", help="Model whose weights of this stage a new run takes.")
]
FromStage = Annotated[
    str | None, typer.Option(help="Stage of that model to take instead, e.g. sr256 for sr1024.")
]
Model = Annotated[
    Path | None,
    typer.Option(help="Model folder, new or old, that gets the averaged weights at the end."),
]
Seed = Annotated[int, typer.Option(min=0, help="Of scenes, noise and fresh weights.")]

STAGES = {
    "base": """Train the base: text to 64x64 pixels.

    ediffi train base --model my-model

    ediffi train base --preset tiny --run trial --num-images 64   # a minute, to see that all works
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
        preset: Preset = "pictogram",
        run: Run = None,
        num_images: NumImages = None,
        vocabulary: Vocabulary = None,
        styles: Styles = None,
        initial: Initial = None,
        from_stage: FromStage = None,
        model: Model = None,
        seed: Seed = 0,
    ) -> None:
        words = {"vocabulary": vocabulary, "styles": styles}
        _train(stage, preset, run, num_images, words, initial, from_stage or stage, model, seed)

    return command


for _stage, _help in STAGES.items():
    app.command(_stage, help=_help)(_command(_stage))


def _train(
    stage: str,
    preset: str,
    run: Path | None,
    num_images: int | None,
    words: dict[str, str | None],
    initial: str | None,
    from_stage: str,
    model: Path | None,
    seed: int,
) -> None:
    from ediffi.conditioning import DEFAULT_TEXT, CachedText, TextEncoder
    from ediffi.data.composer import Composer
    from ediffi.data.grid import Grid
    from ediffi.data.sources import cache_root
    from ediffi.train.config import preset_config
    from ediffi.train.examples import fingerprint
    from ediffi.train.export import export_stage
    from ediffi.train.loop import train

    if model and model.exists() and not model.is_dir():
        raise UserError(f"--model {model} is a file: give the name of a folder")
    config = preset_config(preset, stage)
    run_dir = run or cache_root() / "runs" / f"{preset}-{stage}"
    scenes = config.scenes.model_copy(update={"seed": seed, **_chosen(words)})
    composer = Composer(Grid.load(), scenes)
    changes: dict[str, Any] = {"seed": seed, "scenes": scenes}
    changes["data"] = fingerprint(composer, DEFAULT_TEXT)
    changes["num_images"] = num_images or config.num_images
    weights = None
    if initial:
        weights, changes["origin"] = _origin(initial, from_stage)
    config = config.model_copy(update=changes)
    text = CachedText(TextEncoder.load(DEFAULT_TEXT))
    typer.echo(f"run {run_dir}")
    ticks = train(config, run_dir, composer, text, initial=weights, report=typer.echo)
    state = _with_progress(ticks, config.num_images)
    if state is None or state.images < config.num_images:
        raise typer.Exit(130)
    if model:
        digest = export_stage(state, composer, {"t5": DEFAULT_TEXT}, model)
        typer.echo(f"{model} has the new {stage} now; the model's hash is {digest}")


def _chosen(words: dict[str, str | None]) -> dict[str, Any]:
    """What --vocabulary and --styles change in the scenes."""
    chosen: dict[str, Any] = {}
    vocabulary = words["vocabulary"]
    if vocabulary == "all":
        chosen["concepts"] = None
    elif vocabulary:
        try:
            lines = Path(vocabulary).read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"cannot read --vocabulary {vocabulary}: {error}") from error
        hexcodes = [line.split()[0] for line in lines if line.split("#")[0].strip()]
        chosen["concepts"] = tuple(hexcodes)
    if words["styles"]:
        chosen["styles"] = tuple(style.strip() for style in words["styles"].split(","))
    return chosen


def _origin(model: str, stage: str) -> tuple[Any, Any]:
    """The weights to start from, and what is recorded of where they came from."""
    from ediffi.cascade import ModelFolder, locate
    from ediffi.train.config import Origin

    folder = ModelFolder(locate(model))
    known = {str(config.name): config for config in folder.config.stages}
    if stage not in known:
        raise UserError(f"{model} has no stage {stage!r}: choose from {', '.join(known)}")
    origin = Origin(
        model_hash=folder.hash,
        stage=known[stage].name,
        images_seen=known[stage].images_seen,
        data=folder.config.data,
    )
    weights = {name: tensor.float() for name, tensor in folder.weights(stage).items()}
    return weights, origin


def _with_progress(ticks: Any, num_images: int) -> Any:
    """Show a bar and every logged row; returns the run's last state."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    state = None
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("images"),
        TimeRemainingColumn(),
    )
    with Progress(*columns) as progress:
        task = progress.add_task("training", total=num_images)
        for tick in ticks:
            state = tick.state
            progress.update(task, completed=tick.state.images)
            if tick.row:
                progress.console.print(_line(tick.row), highlight=False)
    return state


def _line(row: dict[str, Any]) -> str:
    loss, sketch, *bands = (
        "-" if v is None else f"{v:.3f}"
        for v in (row["loss"], row["sketch_loss"], *row["loss_by_band"])
    )
    share = "" if row["share_of_machine"] is None else f"  {row['share_of_machine']:.0%} of machine"
    return (
        f"{row['images']:>9,} images  loss {loss}  by sigma, low to high: {' '.join(bands)}  "
        f"sketch {sketch}  "
        f"{row['images_per_second']:.1f} images/s{share}"
    )
