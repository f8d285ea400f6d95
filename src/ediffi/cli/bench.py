"""`ediffi bench`: how fast this machine trains and draws, beside its own best rate."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ediffi.cli.bench_experts import experts
from ediffi.core.errors import UserError

if TYPE_CHECKING:
    from ediffi.model import Cascade

app = typer.Typer(name="bench", help="Measure speed on this machine.", no_args_is_help=True)
app.command()(experts)

PROMPT = "a red fox next to a rocket, on a light blue background"


@app.command()
def train(
    preset: Annotated[str, typer.Option(help="Shape and recipe: pictogram or tiny.")] = "pictogram",
    steps: Annotated[int, typer.Option(min=1, help="Timed steps a stage.")] = 10,
) -> None:
    """Time training steps of every stage on real examples.

    ediffi bench train --preset pictogram
    """
    from ediffi.encoders import DEFAULT_TEXT, CachedText, TextEncoder
    from ediffi.networks import STAGES
    from ediffi.pictogram.composer import Composer
    from ediffi.pictogram.grid import Grid
    from ediffi.pictogram.scenes import Scenes
    from ediffi.train.meter import machine_rate
    from ediffi.train.recipes import recipe

    grid, encoders = Grid.load(), {"t5": CachedText(TextEncoder.load(DEFAULT_TEXT))}
    table("stage", "M parameters", "GFLOP/image", "images/s", "GFLOP/s", "machine", "share")
    for stage in STAGES:
        config = recipe(preset, stage).changed({"data.num_pictures": 64})
        best = machine_rate()
        scenes = Scenes(Composer(grid, config.data.scenes))
        parameters, flops, per_second = _time_stage(config, scenes, encoders, steps)
        table(
            stage,
            f"{parameters / 1e6:.2f}",
            f"{flops / 1e9:.2f}",
            f"{per_second:.1f}",
            f"{flops * per_second / 1e9:.0f}",
            f"{best / 1e9:.0f}",
            f"{flops * per_second / best:.0%}",
        )
    typer.echo("GFLOP of a training step on one image: forward and backward, 3 forward passes")


def _time_stage(config: Any, scenes: Any, encoders: Any, steps: int) -> tuple[int, float, float]:
    """Parameters, FLOP of a step on one image and images a second: the median step on examples
    that are ready."""
    from ediffi.train.examples import Examples
    from ediffi.train.meter import forward_flops
    from ediffi.train.state import stage_state

    with tempfile.TemporaryDirectory() as folder:
        batch = Examples(config, scenes, encoders, folder=Path(folder)).batch(0)
    state, seconds = stage_state(config), []
    for _ in range(steps + 1):
        start = time.perf_counter()
        state.step(batch)
        seconds.append(time.perf_counter() - start)
    per_second = config.schedule.batch_size / median(seconds[1:])  # the first one makes room
    num_parameters = sum(p.numel() for p in state.parameters.values())
    return num_parameters, 3 * forward_flops(state, batch), per_second


@app.command()
def sample(
    model: Annotated[str, typer.Option("--model", "-m", help="A model.")] = "pictogram",
    repeats: Annotated[int, typer.Option(min=1, help="Runs of each kind; medians.")] = 3,
) -> None:
    """Time prompt to file: cold, as a command of its own, and warm, in one process.

    ediffi bench sample
    """
    from ediffi.model import Cascade

    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "ediffi.cli.main", "generate", PROMPT, "--seed", "7"]
        command += ["--model", model, "-o", str(Path(folder) / "cold.png")]
        cold = []
        for _ in range(repeats):
            start = time.perf_counter()
            done = subprocess.run(command, capture_output=True, text=True)
            cold.append(time.perf_counter() - start)
            if done.returncode:
                raise UserError(f"generate failed: {done.stderr.strip()}")
        typer.echo(f"cold: {median(cold):.1f} s from command to file; the last run's own account:")
        typer.echo(done.stderr.strip())
        cascade = Cascade.from_pretrained(model)
        cascade.load()
        warm = [_warm(cascade, Path(folder) / "warm.png") for _ in range(repeats + 1)][1:]
    parts = (f"{part} {median(run[part] for run in warm):.2f}" for part in warm[0])
    typer.echo(f"warm, seconds (median): {', '.join(parts)}")


def _warm(cascade: Cascade, path: Path) -> dict[str, float]:
    """Seconds of each part of one picture."""
    from ediffi.cli.display import Clock
    from ediffi.core.types import StageDone
    from ediffi.output import save_picture, to_uint8

    clock = Clock()
    events = cascade.stream(PROMPT, seeds=7)
    clock.mark("text")
    for event in events:
        if isinstance(event, StageDone):
            clock.mark(event.stage)
            images = event.images
    save_picture(path, to_uint8(images)[0], {})
    clock.mark("write")
    return clock.parts | {"total": sum(clock.parts.values())}


def table(*cells: str) -> None:
    """A row of a table."""
    typer.echo("".join(f"{cell:>14}" for cell in cells))
