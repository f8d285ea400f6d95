"""The training loop: the same command starts a run, continues it, and finds it finished."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from ediffi.core.errors import UserError
from ediffi.train.checkpoint import load_checkpoint, save_checkpoint, writing
from ediffi.train.config import RunConfig
from ediffi.train.meter import Meter, forward_flops, machine_rate
from ediffi.train.objective import AnyBatch
from ediffi.train.state import TrainState

C = TypeVar("C", bound=RunConfig, covariant=True)


class Batches(Protocol):
    def batch(self, start: int, *, rank: int = 0, world: int = 1) -> AnyBatch:
        """Images start .. start + batch_size - 1 of the run, or the part of them that is `rank`'s
        among `world` processes."""


@dataclass(frozen=True)
class Tick(Generic[C]):
    """A step is done (or, first of all, the run is ready).

    row: what was logged, if this step closed a logging interval.
    """

    state: TrainState[C]
    row: dict[str, Any] | None


def train(
    state: TrainState[C],
    run_dir: Path,
    batches: Batches,
    *,
    sample: Callable[[Path], None] | None = None,
    report: Callable[[str], None] = print,
) -> Iterator[Tick[C]]:
    """Train in `run_dir`, from its last checkpoint if there is one, until all images are seen.

    Writes checkpoints and `log.jsonl`, as the schedule says. Ctrl-C and SIGTERM finish the step,
    write a checkpoint and end the iteration early.

    Args:
        state: fresh. sample: draws what the run has learned so far to a file, `samples/N.png`;
        every rank calls it. report: gets one line for everything a person should know.

    Raises:
        UserError: another recipe in this folder, no space, a loss that is not finite, or a batch
            that cannot be shared out.
    """
    config, when, ranks = state.config, state.config.schedule, state.ranks
    _check_shares(state)
    resume(state, run_dir, report)
    saved, ahead = state.images, _Ahead(state, batches)
    meter = _meter(state, ahead.make(0), report)
    if ranks.first:
        with writing(run_dir):  # find out now, not at the first checkpoint
            (run_dir / "config.json").write_text(config.model_dump_json(indent=1))
    try:
        yield Tick(state, None)
        with _stop_flag() as stop:
            while state.images < when.num_images and not ranks.any(bool(stop)):
                before, row, start = state.images, None, time.perf_counter()
                batch = ahead.batch(before)
                meter.add(batch, _step(state, batch, run_dir, saved), time.perf_counter() - start)
                if crosses(before, state.images, when.log_images):
                    row = _log(state, before, meter.read(), run_dir)
                if crosses(before, state.images, when.checkpoint_images):
                    saved = _save(state, run_dir)
                if sample and crosses(before, state.images, when.sample_images):
                    with writing(run_dir):
                        sample(run_dir / "samples" / f"{state.images:010d}.png")
                yield Tick(state, row)
        if state.images > saved:
            _save(state, run_dir)
        if stop:
            report(f"stopped after {state.images} images; the same command goes on from there")
    finally:
        ahead.close()


def resume(state: TrainState[C], run_dir: Path, report: Callable[[str], None]) -> None:
    """Go on from the last checkpoint of the folder, if there is one.

    Raises:
        UserError: the run there has another config.
    """
    loaded = load_checkpoint(run_dir, report)
    if loaded is None:
        return
    tensors, meta = loaded
    changed = state.config.differences(meta["config"])
    if changed:
        raise UserError(
            f"{run_dir} holds a run of another config ({'; '.join(changed)}): choose another "
            "folder with --run, or give the options it was started with"
        )
    state.restore(tensors, meta["images"])
    if state.ranks.first:
        _cut_log(run_dir / "log.jsonl", state.images)
    report(f"continuing {run_dir} after {state.images} images")


def crosses(before: int, after: int, every: int) -> bool:
    """Whether a multiple of `every` lies between."""
    return before // every != after // every


def _check_shares(state: TrainState[C]) -> None:
    size, pieces = state.config.schedule.batch_size, state.config.compute.accumulation
    if size % (state.ranks.world * pieces):
        raise UserError(
            f"batches of {size} cannot be shared out among {state.ranks.world} processes, each in "
            f"{pieces} pieces: change --set schedule.batch_size or compute.accumulation"
        )


def _meter(state: TrainState[C], batch: AnyBatch, report: Callable[[str], None]) -> Meter:
    flops, rate = forward_flops(state, batch), machine_rate(state.ranks.device)
    report(
        f"{sum(p.numel() for p in state.parameters.values()) / 1e6:.2f} M parameters learn, "
        f"{flops / 1e9:.2f} GFLOP per picture and pass, this machine does {rate / 1e9:.0f} GFLOP/s"
    )
    return Meter(flops, rate, state.ranks)


def _step(state: TrainState[C], batch: AnyBatch, run_dir: Path, saved: int) -> dict[str, Any]:
    try:
        return state.step(batch)
    except FloatingPointError as error:
        raise UserError(
            f"training broke down after {state.images} images: {error}. The last good checkpoint "
            f"({saved} images) is kept in {run_dir}; another --seed in another --run may go better."
        ) from error


def _log(state: TrainState[C], before: int, read: dict[str, Any], run_dir: Path) -> dict[str, Any]:
    rate = state.config.optimiser.learning_rate * state.config.schedule.rate_at(before)
    row = {"images": state.images, **read, "learning_rate": rate}
    if state.ranks.first:
        with writing(run_dir), (run_dir / "log.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")
    return row


def _cut_log(path: Path, images: int) -> None:
    """Forget rows of images that came after the checkpoint: they are about to be seen again."""
    if path.is_file():
        rows = path.read_text().splitlines()
        kept = [row for row in rows if json.loads(row)["images"] <= images]
        path.write_text("".join(f"{row}\n" for row in kept))


def _save(state: TrainState[C], run_dir: Path) -> int:
    """Write a checkpoint; returns the images seen."""
    tensors = {name: tensor for name, tensor in state.named_tensors() if state.ranks.first}
    if state.ranks.first:
        meta = {"config": state.config.model_dump(mode="json")}
        save_checkpoint(run_dir, state.images, tensors, meta)
    return state.images


class _Ahead:
    """This rank's batches, made by a thread while the step before them runs."""

    def __init__(self, state: TrainState[Any], batches: Batches) -> None:
        self._schedule, self._ranks, self._batches = state.config.schedule, state.ranks, batches
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="batches")
        self._coming: tuple[int, Future[AnyBatch]] | None = None

    def make(self, start: int) -> AnyBatch:
        return self._batches.batch(start, rank=self._ranks.rank, world=self._ranks.world)

    def batch(self, start: int) -> AnyBatch:
        if self._coming is not None and self._coming[0] == start:
            batch = self._coming[1].result()
        else:
            batch = self.make(start)
        after = start + self._schedule.batch_size
        if after < self._schedule.num_images:
            self._coming = after, self._pool.submit(self.make, after)
        return batch

    def close(self) -> None:
        """Make no further batch."""
        self._pool.shutdown(wait=False, cancel_futures=True)


@contextmanager
def _stop_flag() -> Iterator[list[int]]:
    """A list that is filled by the first SIGINT or SIGTERM; the second one interrupts at once.

    Not under torchrun, which sends on to its processes what a terminal has sent them already.
    """
    stop: list[int] = []
    before: dict[signal.Signals, Any] = {}

    def handle(number: int, _: Any) -> None:
        if stop and "TORCHELASTIC_RUN_ID" not in os.environ:
            raise KeyboardInterrupt
        stop.append(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        before[number] = signal.signal(number, handle)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
