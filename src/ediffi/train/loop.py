"""The training loop: the same command starts a run, continues it, and finds it finished."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ediffi.conditioning.prompt import Encoder
from ediffi.data.collection import Collection
from ediffi.errors import UserError
from ediffi.train.checkpoint import load_checkpoint, save_checkpoint, writing
from ediffi.train.config import TrainConfig
from ediffi.train.examples import Examples
from ediffi.train.meter import Meter, forward_flops, machine_rate
from ediffi.train.samples import sample_grid
from ediffi.train.state import TrainState


@dataclass(frozen=True)
class Tick:
    """A step is done (or, first of all, the run is ready).

    row: what was logged, if this step closed a logging interval.
    """

    state: TrainState
    row: dict[str, Any] | None


def train(
    config: TrainConfig,
    run_dir: Path,
    collection: Collection,
    encoders: Mapping[str, Encoder],
    *,
    initial: dict[str, Any] | None = None,
    report: Callable[[str], None] = print,
) -> Iterator[Tick]:
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
    resumed = _resume(state, run_dir, report)
    if not resumed and initial is not None:
        missing, surplus = state.start_from(initial)
        report(f"started from given weights: {missing} tensors are new, {surplus} were not used")
    with writing(run_dir):  # find out now, not at the first checkpoint
        (run_dir / "config.json").write_text(config.model_dump_json(indent=1))
    flops, rate = forward_flops(state, examples.batch(0)), machine_rate()
    report(
        f"{sum(p.numel() for p in state.parameters.values()) / 1e6:.2f} M parameters, "
        f"{flops / 1e9:.2f} GFLOP per picture and pass, this machine does {rate / 1e9:.0f} GFLOP/s"
    )
    meter = Meter(flops, rate)
    yield Tick(state, None)
    saved = state.images
    with stop_flag() as stop:
        while state.images < config.num_images and not stop:
            before = state.images
            start = time.perf_counter()
            batch = examples.batch(state.images)
            try:
                losses = state.step(batch)
            except FloatingPointError as error:
                raise UserError(
                    f"training broke down after {before} images: {error}. The last good "
                    f"checkpoint ({saved} images) is kept in {run_dir}; another --seed in "
                    "another --run may go better."
                ) from error
            meter.add(batch.uniforms, losses, time.perf_counter() - start)
            row = None
            if crosses(before, state.images, config.log_images):
                row = {"images": state.images, **meter.read()}
                row["learning_rate"] = config.learning_rate_at(before)
                with writing(run_dir), (run_dir / "log.jsonl").open("a") as file:
                    file.write(json.dumps(row) + "\n")
            if crosses(before, state.images, config.checkpoint_images):
                _save(state, run_dir)
                saved = state.images
            if crosses(before, state.images, config.sample_images):
                path = run_dir / "samples" / f"{state.images:010d}.png"
                with writing(run_dir):
                    sample_grid(state, examples, path)
            yield Tick(state, row)
    if state.images > saved:
        _save(state, run_dir)
    if stop:
        report(f"stopped after {state.images} images; the same command goes on from there")


def _resume(state: TrainState, run_dir: Path, report: Callable[[str], None]) -> bool:
    loaded = load_checkpoint(run_dir, report)
    if loaded is None:
        return False
    tensors, meta = loaded
    changed = state.config.differences(meta["config"])
    if changed:
        raise UserError(
            f"{run_dir} holds a run of another config ({'; '.join(changed)}): choose another "
            "folder with --run, or give the options it was started with"
        )
    state.restore(tensors, meta["images"])
    cut_log(run_dir / "log.jsonl", state.images)
    report(f"continuing {run_dir} after {state.images} images")
    return True


def cut_log(path: Path, images: int) -> None:
    """Forget rows of images that came after the checkpoint: they are about to be seen again."""
    if path.is_file():
        rows = path.read_text().splitlines()
        kept = [row for row in rows if json.loads(row)["images"] <= images]
        path.write_text("".join(f"{row}\n" for row in kept))


def _save(state: TrainState, run_dir: Path) -> None:
    meta = {"config": state.config.model_dump(mode="json")}
    save_checkpoint(run_dir, state.images, state.tensors(), meta)


def crosses(before: int, after: int, every: int) -> bool:
    return before // every != after // every


@contextmanager
def stop_flag() -> Iterator[list[int]]:
    """A list that is filled by the first SIGINT or SIGTERM; the second one interrupts at once."""
    stop: list[int] = []
    before: dict[signal.Signals, Any] = {}

    def handle(number: int, _: Any) -> None:
        if stop:
            raise KeyboardInterrupt
        stop.append(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        before[number] = signal.signal(number, handle)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
