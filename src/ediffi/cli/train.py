"""`ediffi train`: train a stage of the cascade, or go on where it stopped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ediffi.cli.display import follow, work_bars
from ediffi.cli.lists import names
from ediffi.cli.train_clip import clip
from ediffi.core.errors import UserError

if TYPE_CHECKING:
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
Clip = Annotated[
    Path | None,
    typer.Option(
        help="CLIP folder that fills clip_text and clip_image. Default: that of --model or --from; "
        "may be another than that of --from, and is then learned."
    ),
]
Dropout = Annotated[
    str | None,
    typer.Option(help="How often roles are dropped, e.g. t5=0.25,clip_text=0.2,clip_image=0.9."),
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

    ediffi train base --clip my-clip --from pictogram --model my-model   # with CLIP beside T5

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
        clip: Clip = None,
        dropout: Dropout = None,
        initial: Initial = None,
        from_stage: FromStage = None,
        model: Model = None,
        seed: Seed = 0,
    ) -> None:
        words = {"vocabulary": vocabulary, "styles": styles}
        start = (initial, from_stage or stage)
        read = (embeddings, clip, dropout)
        _train(stage, preset, run, num_images, words, data, read, start, model, seed)

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
    read: tuple[Path | None, Path | None, str | None],
    start: tuple[str | None, str],
    model: Path | None,
    seed: int,
) -> None:
    from ediffi.cli.readers import dropout_of, readers
    from ediffi.pictogram.sources import cache_root
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
    embeddings, clip, dropout = read
    encoders, specs, carried = readers(embeddings, clip, initial, model)
    widths = {role: encoder.width for role, encoder in encoders.items()}
    changes: dict[str, Any] = {
        "network": config.network.model_copy(update={"roles": config.network.roles | widths}),
        "dropout": dropout_of(encoders, dropout),
        "data": fingerprint(collection, specs),
        "num_images": num_images or config.num_images,
    }
    weights = None
    if initial:
        weights, changes["origin"] = _origin(initial, from_stage)
    config = config.model_copy(update=changes)
    if data and stage == "base":  # what the preset says was measured on scenes
        measured = measure_sigma_data(Examples(config, collection, encoders))
        config = config.model_copy(update={"sigma_data": round(measured, 3)})
    typer.echo(f"run {run_dir}")
    ticks = train(config, run_dir, collection, encoders, initial=weights, report=typer.echo)
    with work_bars(stderr=False) as bars:
        state = follow(ticks, bars, config.num_images, _line)
    if state is None or state.images < config.num_images:
        raise typer.Exit(130)
    if model:
        digest = export_stage(state, collection, specs, model, clip=carried)
        typer.echo(f"{model} has the new {stage} now; the model's hash is {digest}")


def collection_of(
    config: TrainConfig, data: Path | None, words: dict[str, str | None], seed: int
) -> tuple[TrainConfig, Collection]:
    """What a run learns from, shards or scenes, and the config that says so.

    words: the options --vocabulary and --styles.
    """
    from ediffi.data.shard_set import ShardSet
    from ediffi.networks import RESOLUTIONS
    from ediffi.pictogram.composer import Composer
    from ediffi.pictogram.grid import Grid
    from ediffi.pictogram.scenes import Scenes
    from ediffi.train.config import FROM_NOISE

    if data is None:
        scenes = config.scenes.model_copy(update={"seed": seed, **_chosen(words)})
        config = config.model_copy(update={"seed": seed, "scenes": scenes})
        return config, Scenes(Composer(Grid.load(), scenes))
    given = [f"--{name}" for name, value in words.items() if value]
    if given:
        raise UserError(f"{given[0]} chooses scenes of the pictogram grid: not with --data")
    shards = ShardSet(data, min_size=RESOLUTIONS[config.stage], seed=seed)
    config = config.model_copy(update={"seed": seed, "num_scenes": len(shards)})
    if config.stage == "base":  # nobody knows where on these pictures the words are: a vague sketch
        network = config.network.model_copy(update={"overlaps": True})
        unmasked = {"shown_masks": 0.0, "layout_loss": 0.0, "drawing_loss": 0.0}
        learned = {"noise": FROM_NOISE, "network": network, "huber": None}
        config = config.model_copy(update=unmasked | learned)
    return config, shards


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
        chosen["styles"] = names(words["styles"])
    return chosen


def _origin(model: str, stage: str) -> tuple[Any, Any]:
    """The weights to start from, and what is recorded of where they came from."""
    from ediffi.model import ModelFolder, locate
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


def _line(row: dict[str, Any]) -> str:
    names = ("loss", "sketch_loss", "layout_loss", "drawing_loss")
    loss, sketch, layout, drawing, *bands = (
        "-" if v is None else f"{v:.3f}"
        for v in (*(row[name] for name in names), *row["loss_by_band"])
    )
    share = "" if row["share_of_machine"] is None else f"  {row['share_of_machine']:.0%} of machine"
    return (
        f"{row['images']:>9,} images  loss {loss}  by sigma, low to high: {' '.join(bands)}  "
        f"sketch {sketch}  layout {layout}  drawings {drawing}  "
        f"{row['images_per_second']:.1f} images/s{share}"
    )
