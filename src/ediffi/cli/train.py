"""`ediffi train`: train a stage of the cascade, or go on where it stopped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ediffi.cli.train_clip import clip
from ediffi.errors import UserError

if TYPE_CHECKING:
    from ediffi.conditioning import EncoderSpec
    from ediffi.data.collection import Collection
    from ediffi.train.config import TrainConfig

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
Data = Annotated[
    Path | None,
    typer.Option(help="Folder of shards (see `ediffi data import`) to learn instead of scenes."),
]
Embeddings = Annotated[
    Path | None,
    typer.Option(help="Folder that `ediffi encode` wrote of the same data: no encoder is run."),
]
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

    ediffi train base --data my-shards --run my-run --model my-model   # pictures of your own
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
        data: Data = None,
        embeddings: Embeddings = None,
        initial: Initial = None,
        from_stage: FromStage = None,
        model: Model = None,
        seed: Seed = 0,
    ) -> None:
        words = {"vocabulary": vocabulary, "styles": styles}
        start = (initial, from_stage or stage)
        _train(stage, preset, run, num_images, words, data, embeddings, start, model, seed)

    return command


for _stage, _help in STAGES.items():
    app.command(_stage, help=_help)(_command(_stage))
app.command("clip")(clip)


def _train(
    stage: str,
    preset: str,
    run: Path | None,
    num_images: int | None,
    words: dict[str, str | None],
    data: Path | None,
    embeddings: Path | None,
    start: tuple[str | None, str],
    model: Path | None,
    seed: int,
) -> None:
    from ediffi.data.sources import cache_root
    from ediffi.train.config import preset_config
    from ediffi.train.examples import Examples, fingerprint, measure_sigma_data
    from ediffi.train.export import export_stage
    from ediffi.train.loop import train

    if model and model.exists() and not model.is_dir():
        raise UserError(f"--model {model} is a file: give the name of a folder")
    config = preset_config(preset, stage)
    run_dir = run or cache_root() / "runs" / f"{preset}-{stage}"
    config, collection = collection_of(config, data, words, seed)
    initial, from_stage = start
    encoders, specs = _encoders(embeddings, [m for m in (initial, model) if m])
    widths = {role: encoder.width for role, encoder in encoders.items()}
    changes: dict[str, Any] = {
        "network": config.network.model_copy(update={"roles": config.network.roles | widths}),
        "dropout": {role: config.dropout["t5"] for role in encoders},
        "data": fingerprint(collection, specs),
        "num_images": num_images or config.num_images,
    }
    weights = None
    if initial:
        weights, changes["origin"] = _origin(initial, from_stage)
    config = config.model_copy(update=changes)
    if data:  # what the preset says was measured on scenes
        measured = measure_sigma_data(Examples(config, collection, encoders))
        config = config.model_copy(update={"sigma_data": round(measured, 3)})
    typer.echo(f"run {run_dir}")
    ticks = train(config, run_dir, collection, encoders, initial=weights, report=typer.echo)
    state = _with_progress(ticks, config.num_images)
    if state is None or state.images < config.num_images:
        raise typer.Exit(130)
    if model:
        digest = export_stage(state, collection, specs, model)
        typer.echo(f"{model} has the new {stage} now; the model's hash is {digest}")


def collection_of(
    config: TrainConfig, data: Path | None, words: dict[str, str | None], seed: int
) -> tuple[TrainConfig, Collection]:
    """What a run learns from, shards or scenes, and the config that says so.

    words: the options --vocabulary and --styles.
    """
    from ediffi.data.collection import Scenes
    from ediffi.data.composer import Composer
    from ediffi.data.grid import Grid
    from ediffi.data.shard_set import ShardSet
    from ediffi.networks import RESOLUTIONS

    if data is None:
        scenes = config.scenes.model_copy(update={"seed": seed, **_chosen(words)})
        config = config.model_copy(update={"seed": seed, "scenes": scenes})
        return config, Scenes(Composer(Grid.load(), scenes))
    given = [f"--{name}" for name, value in words.items() if value]
    if given:
        raise UserError(f"{given[0]} chooses scenes of the pictogram grid: not with --data")
    shards = ShardSet(data, min_size=RESOLUTIONS[config.stage], seed=seed)
    return config.model_copy(update={"seed": seed, "num_scenes": len(shards)}), shards


def _encoders(
    embeddings: Path | None, models: Sequence[str | Path]
) -> tuple[dict[str, Any], dict[str, EncoderSpec]]:
    """What reads captions, by role: the default encoder, or what is stored. Models that the run
    starts from or adds to must have been trained with the same."""
    from ediffi.cascade import ModelFolder, locate
    from ediffi.conditioning import DEFAULT_TEXT, CachedText, TextEncoder
    from ediffi.conditioning.stored import stored_roles

    if embeddings is None:
        return {"t5": CachedText(TextEncoder.load(DEFAULT_TEXT))}, {"t5": DEFAULT_TEXT}
    stored = stored_roles(embeddings)
    specs = {role: tokens.spec for role, tokens in stored.items()}
    for model in models:
        if isinstance(model, Path) and not (model / "manifest.json").is_file():
            continue  # a new model
        theirs = ModelFolder(locate(model)).config.encoders
        for role in specs.keys() & theirs.keys():
            if specs[role].sha256 != theirs[role].sha256:
                raise UserError(
                    f"{embeddings} was encoded by {specs[role].source} ({specs[role].sha256}), "
                    f"but the {role} role of {model} is {theirs[role].source} "
                    f"({theirs[role].sha256}): encode with that one"
                )
    return dict(stored), specs


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
