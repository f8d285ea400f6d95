"""The training loop: the same command starts a run, continues it, and finds it finished."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from torch import Tensor

from ediffi.train.batch import Batch
from ediffi.train.checkpoint import writing
from ediffi.train.examples import Examples
from ediffi.train.meter import Meter, forward_flops, machine_rate
from ediffi.train.run import Tick, crosses, resume, steps
from ediffi.train.samples import sample_grid
from ediffi.train.state import TrainState


def train(
    state: TrainState,
    run_dir: Path,
    examples: Examples,
    *,
    initial: dict[str, Tensor] | None = None,
    report: Callable[[str], None] = print,
) -> Iterator[Tick[TrainState]]:
    """Train one stage in `run_dir`, from its last checkpoint if there is one.

    Writes checkpoints, `log.jsonl` (loss per sigma band, speed) and `samples/`. Ctrl-C and
    SIGTERM finish the step, write a checkpoint and end the iteration early.

    Args:
        state: fresh. initial: weights that a new run starts from (of the same model, by name);
        those that are missing keep their fresh value, so that new modules can be added.
        report: gets one line for everything a person should know.

    Raises:
        UserError: another recipe in this folder, no space, a loss that is not finite.
    """
    config = state.config
    resumed = resume(state, run_dir, report)
    if not resumed and initial is not None:
        missing, surplus = state.start_from(initial)
        report(f"started from given weights: {missing} tensors are new, {surplus} were not used")
    flops, rate = forward_flops(state, examples.batch(0)), machine_rate(state.device)
    report(
        f"{sum(p.numel() for p in state.parameters.values()) / 1e6:.2f} M parameters learn, "
        f"{flops / 1e9:.2f} GFLOP per picture and pass, this machine does {rate / 1e9:.0f} GFLOP/s"
    )
    meter, ahead = Meter(flops, rate), _Ahead(examples)

    def step() -> None:
        start = time.perf_counter()
        batch = ahead.batch(state.images)
        losses = state.step(batch)
        meter.add(batch.uniforms, losses, time.perf_counter() - start)

    def read(before: int) -> dict[str, Any]:
        rate = config.optimiser.learning_rate * config.schedule.rate_at(before)
        return {**meter.read(), "learning_rate": rate}

    def sample(before: int) -> None:
        if config.part == "denoiser" and crosses(
            before, state.images, config.schedule.sample_images
        ):
            path = run_dir / "samples" / f"{state.images:010d}.png"
            with writing(run_dir):
                sample_grid(state, examples, path)

    try:
        yield from steps(state, run_dir, step, read, after=sample, report=report)
    finally:
        ahead.close()


class _Ahead:
    """Batches made by a thread while the step before them runs."""

    def __init__(self, examples: Examples) -> None:
        self.examples = examples
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="batches")
        self._coming: tuple[int, Future[Batch]] | None = None

    def batch(self, start: int) -> Batch:
        if self._coming is not None and self._coming[0] == start:
            batch = self._coming[1].result()
        else:
            batch = self.examples.batch(start)
        after = start + self.examples.config.schedule.batch_size
        if after < self.examples.config.schedule.num_images:
            self._coming = after, self._pool.submit(self.examples.batch, after)
        return batch

    def close(self) -> None:
        """Make no further batch."""
        self._pool.shutdown(wait=False, cancel_futures=True)
