"""`ediffi bench`: how fast this machine trains and draws, beside its own best rate."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from ediffi.core.errors import UserError

app = typer.Typer(name="bench", help="Measure speed on this machine.", no_args_is_help=True)

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
    _table("stage", "M parameters", "GFLOP/image", "images/s", "GFLOP/s", "machine", "share")
    for stage in STAGES:
        config = recipe(preset, stage).changed({"data.num_pictures": 64})
        rate = machine_rate()
        row = _time_stage(config, Scenes(Composer(grid, config.data.scenes)), encoders, steps)
        _table(
            stage,
            f"{row['parameters'] / 1e6:.2f}",
            f"{row['flops'] / 1e9:.2f}",
            f"{row['images_per_second']:.1f}",
            f"{row['rate'] / 1e9:.0f}",
            f"{rate / 1e9:.0f}",
            f"{row['rate'] / rate:.0%}",
        )
    typer.echo("GFLOP of a training step on one image: forward and backward, 3 forward passes")


def _time_stage(config: Any, scenes: Any, encoders: Any, steps: int) -> dict[str, float]:
    """The median step on examples that are ready."""
    from statistics import median

    from ediffi.train.examples import Examples
    from ediffi.train.meter import forward_flops
    from ediffi.train.state import stage_state

    with tempfile.TemporaryDirectory() as folder:
        batch = Examples(config, scenes, encoders, folder=Path(folder)).batch(0)
    state = stage_state(config)
    state.step(batch)
    seconds = []
    for _ in range(steps):
        start = time.perf_counter()
        state.step(batch)
        seconds.append(time.perf_counter() - start)
    per_second = config.schedule.batch_size / median(seconds)
    flops = 3 * forward_flops(state, batch)
    return {
        "parameters": sum(p.numel() for p in state.parameters.values()),
        "flops": flops,
        "images_per_second": per_second,
        "rate": flops * per_second,
    }


@app.command()
def scenes(
    num_scenes: Annotated[int, typer.Option(min=1, help="Scenes to draw.")] = 500,
    size: Annotated[int, typer.Option(min=16, max=1024, help="Pixels of each scene.")] = 64,
    style: Annotated[
        list[str] | None, typer.Option(help="Style to use; repeat for several.")
    ] = None,
    cache: Annotated[Path | None, typer.Option(help="Where the grid was built.")] = None,
) -> None:
    """Time composing, captioning and drawing scenes on one core, all concepts.

    Cold: the first time that a picture is drawn; warm: the same scenes once more. Rates are of
    processor time, so that other work on the machine does not count. Example:

    ediffi bench scenes --size 64 --style noto --style twemoji
    """
    from ediffi.pictogram.composer import DEFAULT_STYLES, Composer, SceneConfig
    from ediffi.pictogram.grid import Grid

    grid, styles = Grid.load(cache), tuple(style) if style else DEFAULT_STYLES
    composer = Composer(grid, SceneConfig(styles=styles))
    cold = sum(_time_scenes(composer, num_scenes, size))
    compose, draw = _time_scenes(composer, num_scenes, size)
    _table("cold, 1/s", "warm, 1/s", "compose, ms", "draw, ms")
    _table(
        f"{num_scenes / cold:.0f}",
        f"{num_scenes / (compose + draw):.0f}",
        f"{compose / num_scenes * 1e3:.2f}",
        f"{draw / num_scenes * 1e3:.2f}",
    )


def _time_scenes(composer: Any, num_scenes: int, size: int) -> tuple[float, float]:
    """Processor seconds for composing, and for drawing."""
    begin = time.process_time()
    made = [composer.scene(index) for index in range(num_scenes)]
    middle = time.process_time()
    for scene in made:
        composer.render(scene, size)
    return middle - begin, time.process_time() - middle


@app.command()
def sample(
    model: Annotated[str, typer.Option("--model", "-m", help="A model.")] = "pictogram",
    repeats: Annotated[int, typer.Option(min=1, help="Runs of each kind; medians.")] = 3,
    regions: Annotated[
        bool, typer.Option("--regions", help="Time one step of each stage, painted and not.")
    ] = False,
) -> None:
    """Time prompt to file: cold, as a command of its own, and warm, in one process.

    ediffi bench sample

    ediffi bench sample --regions --repeats 20
    """
    from statistics import median

    if regions:
        _time_regions(model, repeats)
        return
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
        warm = [_warm(model, Path(folder) / "warm.png") for _ in range(repeats + 1)][1:]
    typer.echo(
        "warm, seconds (median): "
        + ", ".join(f"{part} {median(run[part] for run in warm):.2f}" for part in warm[0])
    )


def _time_regions(model: str, repeats: int) -> None:
    """Seconds of a denoising of every stage: the prompt alone, and with two phrases painted.

    The two take turns, so that what else the machine does hits both.
    """
    from statistics import median

    import torch

    from ediffi.encoders import make_prompt
    from ediffi.model import Cascade
    from ediffi.paint import from_regions, paint, place

    places = [
        {"phrase": "fox", "box": [0, 0.2, 0.5, 1]},
        {"phrase": "rocket", "box": [0.5, 0, 1, 1]},
    ]
    cascade = Cascade.from_pretrained(model)
    plain = make_prompt(cascade.encoders, [PROMPT])
    painted = paint(plain, cascade.encoders, [PROMPT], [place(PROMPT, from_regions(places))])
    _table("stage", "plain s", "painted s", "more")
    for stage in cascade.stages:
        how, side = stage.config.sampling, stage.config.resolution
        low = stage.config.input_resolution
        low_res = None if stage.config.network.scale == 1 else torch.zeros(1, 3, low, low)
        denoise = stage.denoise_with(how, torch.bfloat16)
        conds = [stage.condition(p, [0], low_res, how.augmentation) for p in (plain, painted)]
        x, sigma = torch.zeros(1, 3, side, side), torch.full((1,), how.sigma_max)
        seconds: tuple[list[float], list[float]] = ([], [])
        for _ in range(repeats + 1):
            for cond, times in zip(conds, seconds, strict=True):
                start = time.perf_counter()
                denoise(x, sigma, cond)
                times.append(time.perf_counter() - start)
        a, b = (median(times[1:]) for times in seconds)  # the first projects the prompt
        _table(str(stage.config.name), f"{a:.4f}", f"{b:.4f}", f"{b / a - 1:+.1%}")


_LOADED: dict[str, Any] = {}


def _warm(model: str, path: Path) -> dict[str, float]:
    """Seconds of each part of one picture, by a cascade that has been loaded before."""
    from ediffi.core.types import StageDone
    from ediffi.model import Cascade
    from ediffi.output import save_picture, to_uint8

    if model not in _LOADED:
        _LOADED[model] = Cascade.from_pretrained(model)
        _LOADED[model].load()
    parts: dict[str, float] = {}
    begin = mark = time.perf_counter()
    events = _LOADED[model].stream(PROMPT, seeds=7)
    parts["text"], mark = time.perf_counter() - begin, time.perf_counter()
    for event in events:
        if isinstance(event, StageDone):
            now = time.perf_counter()
            parts[event.stage], mark = now - mark, now
    save_picture(path, to_uint8(event.images)[0], {})
    parts["write"] = time.perf_counter() - mark
    parts["total"] = time.perf_counter() - begin
    return parts


def _table(*cells: str) -> None:
    typer.echo("".join(f"{cell:>14}" for cell in cells))
