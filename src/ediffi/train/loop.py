"""The training loop: the same command starts a run, continues it, and finds it finished."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ediffi.data.collection import Collection
from ediffi.encoders.prompt import Encoder
from ediffi.train.checkpoint import writing
from ediffi.train.config import TrainConfig
from ediffi.train.examples import Examples
from ediffi.train.meter import Meter, forward_flops, machine_rate
from ediffi.train.run import Tick, crosses, resume, steps
from ediffi.train.samples import sample_grid
from ediffi.train.state import TrainState


def train(
    config: TrainConfig,
    run_dir: Path,
    collection: Collection,
    encoders: Mapping[str, Encoder],
    *,
    initial: dict[str, Any] | None = None,
    report: Callable[[str], None] = print,
) -> Iterator[Tick[TrainState]]:
    """Train one stage in `run_dir`, from its last checkpoint if there is one.

    Writes checkpoints, `log.jsonl` (loss per sigma band, speed) and `samples/`. Ctrl-C and
    SIGTERM finish the step, write a checkpoint and end the iteration early.

    Args:
        collection: the pictures and captions; encoders: of both, by role.
        initial: weights a new run starts from (a state dict of the network); names that are
            missing keep their fresh value, so that new modules can be added to old weights.
        report: gets one line for everything a person should know.

    Raises:
        UserError: another config in this folder, no space, a loss that is not finite.
    """
    state = TrainState(config)
    examples = Examples(config, collection, encoders)
    resumed = resume(state, run_dir, report)
    if not resumed and initial is not None:
        missing, surplus = state.start_from(initial)
        report(f"started from given weights: {missing} tensors are new, {surplus} were not used")
    flops, rate = forward_flops(state, examples.batch(0)), machine_rate()
    report(
        f"{sum(p.numel() for p in state.parameters.values()) / 1e6:.2f} M parameters, "
        f"{flops / 1e9:.2f} GFLOP per picture and pass, this machine does {rate / 1e9:.0f} GFLOP/s"
    )
    meter = Meter(flops, rate)

    def step() -> None:
        start = time.perf_counter()
        batch = examples.batch(state.images)
        losses = state.step(batch)
        meter.add(batch.uniforms, losses, time.perf_counter() - start)

    def read(before: int) -> dict[str, Any]:
        return {**meter.read(), "learning_rate": config.learning_rate_at(before)}

    def sample(before: int) -> None:
        if crosses(before, state.images, config.sample_images):
            path = run_dir / "samples" / f"{state.images:010d}.png"
            with writing(run_dir):
                sample_grid(state, examples, path)

    yield from steps(state, run_dir, step, read, after=sample, report=report)
