"""`ediffi train`: train a stage of the cascade, or go on where it stopped."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ediffi.cli.display import follow, work_bars
from ediffi.cli.lists import names
from ediffi.cli.options import DeviceName
from ediffi.cli.train_clip import clip
from ediffi.cli.train_expert import expert
from ediffi.core.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

    from ediffi.data.collection import Collection
    from ediffi.train.config import Origin, Recipe
    from ediffi.train.examples import Examples
    from ediffi.train.state import TrainState

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
Weights = Annotated[
    Path | None,
    typer.Option(help="File of `ediffi data balance`: how often each picture of --data comes."),
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
Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="Any field of the recipe: --set optimiser.learning_rate=5e-4."),
]
Show = Annotated[bool, typer.Option("--show", help="Print the whole recipe and stop.")]
Examples_ = Annotated[
    Path | None,
    typer.Option(
        "--examples", help="Where drawn and encoded examples are kept. Default: the user's cache."
    ),
]
Workers = Annotated[int, typer.Option(min=0, help="Processes that make examples ahead.")]
Device = Annotated[DeviceName, typer.Option(help="auto is cuda, mps or cpu, the first there is.")]

STAGES = {
    "base": """Train the base: text to 64x64 pixels.

    ediffi train base --model my-model

    ediffi train base --preset tiny --run trial --num-images 64   # a minute, to see that all works

    ediffi train base --clip my-clip --from pictogram --model my-model   # with CLIP beside T5

    ediffi train base --data my-shards --run my-run --model my-model   # pictures of your own

    ediffi train base --set optimiser.learning_rate=5e-4 --show   # the whole recipe
    """,
    "sr256": """Train the first upscaler: 64x64 to 256x256 pixels.

    ediffi train sr256 --model my-model
    """,
    "sr1024": """Train the second upscaler: 256x256 to 1024x1024 pixels, on crops of 256.

    ediffi train sr1024 --from my-model --from-stage sr256 --model my-model
    """,
}


@dataclass(frozen=True)
class Asked:
    """What a person says beside the recipe's fields."""

    run: Path
    data: Path | None
    weights: Path | None
    embeddings: Path | None
    clip: Path | None
    dropout: str | None
    initial: str | None
    from_stage: str
    model: Path | None
    examples: Path
    workers: int
    device: str


def _command(stage: str) -> Callable[..., None]:
    def command(
        preset: Preset = "pictogram",
        run: Run = None,
        num_images: NumImages = None,
        vocabulary: Vocabulary = None,
        styles: Styles = None,
        data: Data = None,
        weights: Weights = None,
        embeddings: Embeddings = None,
        clip: Clip = None,
        dropout: Dropout = None,
        initial: Initial = None,
        from_stage: FromStage = None,
        model: Model = None,
        seed: Seed = 0,
        changes: Set = None,
        show: Show = False,
        examples: Examples_ = None,
        workers: Workers = 2,
        device: Device = DeviceName.auto,
    ) -> None:
        from ediffi.pictogram.sources import cache_root

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
        asked = Asked(
            run=run or cache_root() / "runs" / f"{preset}-{stage}",
            data=data,
            weights=weights,
            embeddings=embeddings,
            clip=clip,
            dropout=dropout,
            initial=initial,
            from_stage=from_stage or stage,
            model=model,
            examples=examples or cache_root() / "examples",
            workers=workers,
            device=device,
        )
        _train(config, asked)

    return command


for _stage, _help in STAGES.items():
    app.command(_stage, help=_help)(_command(_stage))
app.command("clip")(clip)
app.command("expert")(expert)


def _train(config: Recipe, asked: Asked) -> None:
    """Train the prior, if the stage has one that is not given, and then the denoiser around it."""
    from ediffi.cli.encoders import dropout_of, training_encoders
    from ediffi.train.examples import Examples, fingerprint, measure_sigma_data
    from ediffi.train.export import export_stage
    from ediffi.train.recipes import prior_recipe

    config, collection = collection_of(config, asked.data, asked.weights)
    encoders, specs, carried = training_encoders(
        asked.embeddings, asked.clip, asked.initial, asked.model
    )
    widths = {role: encoder.width for role, encoder in encoders.items()}
    fields: dict[str, Any] = {
        "network.roles": config.network.roles | widths,
        "data.dropout": dropout_of(encoders, asked.dropout),
        "data.fingerprint": fingerprint(collection, specs),
    }
    weights, origin = _origin(asked.initial, asked.from_stage) if asked.initial else (None, None)
    config = _changed(config, fields | {"origin": origin})
    examples = Examples(config, collection, encoders, folder=asked.examples, workers=asked.workers)
    if asked.data and config.stage == "base":  # what the preset says was measured on scenes
        config = _changed(config, {"sigma_data": round(measure_sigma_data(examples), 3)})
    prior = {
        n.removeprefix("prior."): t for n, t in (weights or {}).items() if n.startswith("prior.")
    }
    before = None if prior else prior_recipe(config)
    if before is not None:
        typer.echo("first the prior, then the denoiser around it")
        state = _run(before, asked.run / "prior", examples, asked.device)
        prior = state.average.state_dict()
    state = _run(config, asked.run, examples, asked.device, prior=prior or None, initial=weights)
    if asked.model:
        digest = export_stage(state, collection, specs, asked.model, clip=carried)
        typer.echo(f"{asked.model} has the new {config.stage}; the model's hash is {digest}")


def _run(
    config: Recipe,
    run_dir: Path,
    examples: Examples,
    device: str,
    *,
    prior: dict[str, Tensor] | None = None,
    initial: dict[str, Tensor] | None = None,
) -> TrainState:
    """One run to its end; leaves the command if it is stopped before."""
    from ediffi.model.devices import pick_device
    from ediffi.train.loop import train
    from ediffi.train.state import TrainState

    typer.echo(f"run {run_dir}")
    examples.config = config
    fresh = TrainState(config, device=pick_device(device), prior=prior)
    ticks = train(fresh, run_dir, examples, initial=initial, report=typer.echo)
    with work_bars(stderr=False) as bars:
        state = follow(ticks, bars, config.schedule.num_images, log_line)
    if state is None or state.images < config.schedule.num_images:
        raise typer.Exit(130)
    return state


def collection_of(
    config: Recipe, data: Path | None, weights: Path | None = None
) -> tuple[Recipe, Collection]:
    """What a run learns from, shards or scenes, and the recipe that says so."""
    from ediffi.data.balance import BalancedShards
    from ediffi.data.shard_set import ShardSet
    from ediffi.pictogram.composer import Composer
    from ediffi.pictogram.grid import Grid
    from ediffi.pictogram.scenes import Scenes
    from ediffi.train.recipes import resolution

    if data is None:
        return config, Scenes(Composer(Grid.load(), config.data.scenes))
    options = {"min_size": resolution(config), "seed": config.seed}
    shards = BalancedShards(data, weights, **options) if weights else ShardSet(data, **options)
    # nobody knows where on these pictures the words are
    fields = {"data.scenes": None, "data.num_pictures": len(shards), "data.shown_masks": 0.0}
    return _changed(config, fields), shards


def asked_recipe(
    preset: str,
    stage: str,
    seed: int,
    data: Path | None,
    vocabulary: str | None,
    styles: str | None,
    fields: Mapping[str, Any] = MappingProxyType({}),
) -> Recipe:
    """A preset's recipe with what the options change in it."""
    from ediffi.train.recipes import recipe

    if data is not None and (vocabulary or styles):
        given = "--vocabulary" if vocabulary else "--styles"
        raise UserError(f"{given} chooses scenes of the pictogram grid: not with --data")
    scenes = _scenes(vocabulary, styles, seed) if data is None else {}
    return _changed(recipe(preset, stage), {"seed": seed, **scenes, **fields})


def fields_of(changes: list[str]) -> dict[str, Any]:
    """--set NAME=VALUE: numbers, true, false, null and lists as in JSON, all else is text."""
    fields: dict[str, Any] = {}
    for change in changes:
        name, equals, value = change.partition("=")
        if not equals:
            raise UserError(f"--set {change}: write it as schedule.batch_size=8")
        try:
            fields[name.strip()] = json.loads(value)
        except ValueError:
            fields[name.strip()] = value
    return fields


def _changed(config: Recipe, fields: Mapping[str, Any]) -> Recipe:
    from pydantic import ValidationError

    try:
        return config.changed(fields)
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(f"no such field in the recipe: {error}; see --show") from error
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        raise UserError(f"recipe field {name}: {first['msg']}; see --show") from error


def _scenes(vocabulary: str | None, styles: str | None, seed: int) -> dict[str, Any]:
    """What --vocabulary, --styles and --seed change in the scenes."""
    fields: dict[str, Any] = {"data.scenes.seed": seed}
    if vocabulary == "all":
        fields["data.scenes.concepts"] = None
    elif vocabulary:
        try:
            lines = Path(vocabulary).read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"cannot read --vocabulary {vocabulary}: {error}") from error
        hexcodes = [line.split()[0] for line in lines if line.split("#")[0].strip()]
        fields["data.scenes.concepts"] = tuple(hexcodes)
    if styles:
        fields["data.scenes.styles"] = names(styles)
    return fields


def _origin(model: str, stage: str) -> tuple[dict[str, Tensor], Origin]:
    """The weights to start from, and what is recorded of where they came from."""
    from ediffi.model import ModelFolder, locate
    from ediffi.networks import named_as_now
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
    return named_as_now(weights, known[stage].network), origin


def log_line(row: dict[str, Any]) -> str:
    """A row of a run's log, for a person."""
    loss, *bands = ("-" if v is None else f"{v:.3f}" for v in (row["loss"], *row["loss_by_band"]))
    return (
        f"{row['images']:>9,} images  loss {loss}  by sigma, low to high: {' '.join(bands)}  "
        f"{row['images_per_second']:.1f} images/s  {row['share_of_machine']:.0%} of machine"
    )
