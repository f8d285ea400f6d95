"""`ediffi bench experts`: an evaluation costs the same however many experts there are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from torch import nn

    from ediffi.model import ModelFolder
    from ediffi.model.config import StageConfig


def experts(
    preset: Annotated[str, typer.Option(help="Shape of the base: pictogram or tiny.")] = (
        "pictogram"
    ),
    counts: Annotated[str, typer.Option(help="How many experts.")] = "1,3,9",
    batch: Annotated[int, typer.Option(min=1, help="Pictures drawn together.")] = 1,
    num_steps: Annotated[int, typer.Option("--steps", min=2, help="Of a picture.")] = 24,
    repeats: Annotated[int, typer.Option(min=1, help="Pictures of each kind, in turns.")] = 7,
) -> None:
    """Time a picture's evaluations with one network, and with experts of the same shape.

    All kinds take turns, so that what else the machine does hits all of them. Weights are fresh:
    time does not depend on their values. `one in memory` reads each expert from disk while the one
    before it is used, and keeps two at most. Example:

    ediffi bench experts --counts 1,3,9 --repeats 15
    """
    import tempfile
    from statistics import median

    from rich.progress import track

    from ediffi.cli.lists import names
    from ediffi.model.denoiser import read_denoiser

    wanted = [int(count) for count in names(counts) or ()]
    with tempfile.TemporaryDirectory() as folder:
        models = {count: _model(Path(folder) / str(count), preset, count) for count in {0, *wanted}}
        config = models[0].config.stage("base")
        kinds: dict[str, nn.Module] = {"one network": read_denoiser(models[0], "base")}
        for count in wanted:
            kinds[f"{count} experts"] = read_denoiser(models[count], "base")
        one = f"{max(wanted)}, one in memory"
        kinds[one] = read_denoiser(models[max(wanted)], "base", one_resident=True)
        seconds: dict[str, list[float]] = {name: [] for name in kinds}
        for turn in track(range(repeats + 1), "drawing", transient=True):
            for name, denoiser in kinds.items():
                took = _draw(denoiser, config, batch, num_steps)
                if turn:  # the first warms up
                    seconds[name].append(took / num_steps)
    size = sum(p.nbytes for p in kinds["one network"].parameters()) / 1e6
    held = {"one network": 1, one: min(2, max(wanted)), **{f"{n} experts": n for n in wanted}}
    typer.echo("".join(f"{c:>20}" for c in ("", "ms an evaluation", "against one", "MB in memory")))
    for name, its in seconds.items():
        ratio = median(a / b for a, b in zip(its, seconds["one network"], strict=True))
        cells = (name, f"{median(its) * 1e3:.1f}", f"{ratio - 1:+.1%}", f"{held[name] * size:.0f}")
        typer.echo("".join(f"{cell:>20}" for cell in cells))


def _model(folder: Path, preset: str, count: int) -> ModelFolder:
    """A base of so many experts for shares of p(sigma) alike, or, for 0, of one network."""
    import torch

    from ediffi.model import ModelConfig, ModelFolder, StageConfig, save_model
    from ediffi.model.config import Expert
    from ediffi.model.presets import SAMPLING
    from ediffi.networks import PRESETS, build_denoiser

    stage = StageConfig(
        name="base",
        resolution=64,
        network=PRESETS[preset]["base"],
        sigma_data=0.5,
        sampling=SAMPLING["base"],
    )
    inner = torch.arange(1, max(1, count), dtype=torch.float64) / max(1, count)
    edges = [0.0, *stage.noise.sample(inner).tolist(), float("inf")]
    entries = tuple(
        Expert(
            node=str(n),
            sigma_min=edges[n],
            sigma_max=edges[n + 1],
            file=f"base/{n}.safetensors",
            images_seen=0,
        )
        for n in range(count)
    )
    states = {
        node: build_denoiser(stage.network, stage.sigma_data).state_dict()
        for node in [entry.node for entry in entries] or ["whole"]
    }
    config = ModelConfig(
        name="bench", stages=(stage.model_copy(update={"experts": entries}),), encoders={}
    )
    whole = {} if count else {"base": states["whole"]}
    save_model(folder, config, whole, experts={"base": states} if count else None)
    return ModelFolder(folder)


def _draw(denoiser: nn.Module, config: StageConfig, batch: int, num_steps: int) -> float:
    """Seconds for one picture's evaluations, in bfloat16."""
    import time

    import torch

    from ediffi.core.types import Prompt, StageInput, Tokens
    from ediffi.diffusion import SAMPLERS, drive, karras_schedule, result_of

    seen = torch.ones(batch, 8, dtype=torch.bool)
    tokens = {
        role: Tokens(torch.zeros(batch, 8, width), seen, torch.zeros(batch, width))
        for role, width in config.network.roles.items()
    }
    cond = StageInput(Prompt(tokens, {role: seen[:, 0] for role in tokens}))
    side, sigmas = config.resolution, karras_schedule(num_steps, 0.03, 80.0, 7.0)
    x = sigmas[0] * torch.randn(batch, 3, side, side)
    start = time.perf_counter()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        result_of(drive(SAMPLERS["dpmpp_2m"](x, sigmas), denoiser, cond))
    return time.perf_counter() - start
