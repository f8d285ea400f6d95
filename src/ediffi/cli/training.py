"""What the training commands share: a recipe from options, its pictures, a run to its end."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ediffi.cli.display import work_bars
from ediffi.cli.lists import names
from ediffi.cli.options import DeviceName
from ediffi.core.errors import UserError

if TYPE_CHECKING:
    from ediffi.data.collection import Collection
    from ediffi.train.config import Recipe
    from ediffi.train.examples import Examples
    from ediffi.train.loop import Batches
    from ediffi.train.parallel import Ranks
    from ediffi.train.state import TrainState


class Parallel(StrEnum):
    ddp = "ddp"
    fsdp = "fsdp"


ExamplesFolder = Annotated[
    Path | None,
    typer.Option(
        "--examples", help="Where drawn and encoded examples are kept. Default: the user's cache."
    ),
]
Workers = Annotated[int, typer.Option(min=0, help="Processes that make examples ahead.")]
Device = Annotated[DeviceName, typer.Option(help="auto is cuda, mps or cpu, the first there is.")]
ParallelForm = Annotated[
    Parallel,
    typer.Option(help="Under torchrun: all weights on every process, or shared out (FSDP2)."),
]


@contextmanager
def ranked(device: str, parallel: Parallel = Parallel.ddp) -> Iterator[Ranks]:
    """The ranks of this run; what all but the first would print is not printed."""
    from ediffi.train.parallel import processes

    with processes(device, parallel.value) as ranks, open(os.devnull, "w") as nowhere:
        with redirect_stdout(sys.stdout if ranks.first else nowhere):
            yield ranks


def prepare(examples: Examples, ranks: Ranks) -> None:
    """What several ranks make before they train, with a bar."""
    with work_bars(stderr=False) as bars:
        task = bars.add_task("making examples, blocks", total=None, visible=ranks.world > 1)
        for done, total in examples.prepare(ranks):
            bars.update(task, completed=done, total=total)


def run_to_end(
    state: TrainState[Any],
    run_dir: Path,
    batches: Batches,
    sample: Callable[[Path], None] | None = None,
) -> None:
    """Train, with a bar and a line for every row of the log; leaves the command, with exit code
    130, if the run is stopped before its end."""
    from ediffi.train.loop import train

    typer.echo(f"run {run_dir}")
    total = state.config.schedule.num_images
    ticks = train(state, run_dir, batches, sample=sample, report=typer.echo)
    with work_bars(stderr=False) as bars:
        task = bars.add_task("training, images", total=total)
        for tick in ticks:
            bars.update(task, completed=state.images)
            if tick.row:
                bars.console.print(log_line(tick.row), highlight=False, soft_wrap=True)
    if state.images < total:
        raise typer.Exit(130)


def log_line(row: dict[str, Any]) -> str:
    """A row of a run's log, for a person."""
    row = dict(row)
    images, loss, bands = row.pop("images"), row.pop("loss"), row.pop("loss_by_band", None)
    rate, share = row.pop("images_per_second"), row.pop("share_of_machine")
    del row["learning_rate"]
    parts = [f"{images:>9,} images", f"loss {loss:.3f}"]
    if bands:
        told = ("-" if band is None else f"{band:.3f}" for band in bands)
        parts.append(f"by sigma, low to high: {' '.join(told)}")
    parts += [f"{name} {value:.3f}" for name, value in row.items()]
    return "  ".join([*parts, f"{rate:.1f} images/s", f"{share:.0%} of machine"])


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
    return recipe(preset, stage).changed({"seed": seed, **scenes, **fields})


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


def collection_of(
    config: Recipe, data: Path | None, weights: Path | None = None
) -> tuple[Recipe, Collection]:
    """What a run learns from, shards or scenes, and the recipe that says so."""
    from ediffi.data.balance import BalancedShards
    from ediffi.data.shard_set import ShardSet
    from ediffi.networks import RESOLUTIONS
    from ediffi.pictogram.composer import Composer
    from ediffi.pictogram.grid import Grid
    from ediffi.pictogram.scenes import Scenes

    if data is None:
        return config, Scenes(Composer(Grid.load(), config.data.scenes))
    options = {"min_size": RESOLUTIONS[config.stage], "seed": config.seed}
    shards = BalancedShards(data, weights, **options) if weights else ShardSet(data, **options)
    # nobody knows where on these pictures the words are
    fields = {"data.scenes": None, "data.num_pictures": len(shards), "data.shown_masks": 0.0}
    return config.changed(fields), shards


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
