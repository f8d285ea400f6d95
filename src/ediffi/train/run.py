"""What every training run is made of: a schedule, a learner, steps with checkpoints and a log."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from ediffi.core.errors import UserError
from ediffi.train.checkpoint import load_checkpoint, save_checkpoint, writing
from ediffi.train.schedule import RunConfig


class Learner:
    """Parameters that learn, their optimizer, the images they have seen; set by whoever is one."""

    config: RunConfig
    images: int
    parameters: dict[str, nn.Parameter]
    optimizer: torch.optim.Optimizer

    def descend(self, loss: Tensor, images: int) -> None:
        """One update, after which so many images more have been seen.

        Raises:
            FloatingPointError: the loss or its gradient is not finite; weights are untouched.
        """
        how = self.config.optimiser
        for group in self.optimizer.param_groups:
            group["lr"] = how.learning_rate * self.config.schedule.rate_at(self.images)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.parameters.values(), how.clip_norm)
        if not torch.isfinite(norm):
            self.optimizer.zero_grad()
            raise FloatingPointError(f"the gradient's norm is {float(norm)}")
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.images += images

    def tensors(self) -> dict[str, Tensor]:
        """Everything that a checkpoint must hold, by name."""
        out = {f"weights.{name}": p.detach() for name, p in self.parameters.items()}
        for name, parameter in self.parameters.items():
            for key, value in self.optimizer.state.get(parameter, {}).items():
                out[f"optimizer.{key}.{name}"] = value
        # safetensors keeps no strides: channels_last weights are written as plain ones
        return {name: tensor.contiguous() for name, tensor in out.items()}

    @torch.no_grad()
    def restore(self, tensors: dict[str, Tensor], images: int) -> None:
        """Continue from what `tensors` returned after `images` images."""
        self.images = images
        for name, parameter in self.parameters.items():
            parameter.copy_(tensors[f"weights.{name}"])
            moments = {}
            for key in ("step", "exp_avg", "exp_avg_sq"):
                value = tensors.get(f"optimizer.{key}.{name}")
                if value is not None:
                    like = parameter if value.shape == parameter.shape else value
                    moments[key] = torch.empty_like(like).copy_(value)
            if moments:
                self.optimizer.state[parameter] = moments


S = TypeVar("S", bound=Learner)


@dataclass(frozen=True)
class Tick(Generic[S]):
    """A step is done (or, first of all, the run is ready).

    row: what was logged, if this step closed a logging interval.
    """

    state: S
    row: dict[str, Any] | None


def resume(state: Learner, run_dir: Path, report: Callable[[str], None]) -> bool:
    """Go on from the last checkpoint of the folder; whether there was one.

    Raises:
        UserError: the run there has another config.
    """
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
    _cut_log(run_dir / "log.jsonl", state.images)
    report(f"continuing {run_dir} after {state.images} images")
    return True


def steps(
    state: S,
    run_dir: Path,
    step: Callable[[], None],
    read: Callable[[int], dict[str, Any]],
    *,
    after: Callable[[int], None] = lambda before: None,
    report: Callable[[str], None] = print,
) -> Iterator[Tick[S]]:
    """Step until all images are seen, with a log and checkpoints as the config says.

    Ctrl-C and SIGTERM finish the step, write a checkpoint and end the iteration early.

    Args:
        step: makes one update of `state`; read: the figures since the last reading, told how many
            images had been seen before this step, as is `after`, which runs after every step.

    Raises:
        UserError: no space, or a loss that is not finite.
    """
    config, saved, when = state.config, state.images, state.config.schedule
    with writing(run_dir):  # find out now, not at the first checkpoint
        (run_dir / "config.json").write_text(config.model_dump_json(indent=1))
    yield Tick(state, None)
    with _stop_flag() as stop:
        while state.images < when.num_images and not stop:
            before = state.images
            try:
                step()
            except FloatingPointError as error:
                raise UserError(
                    f"training broke down after {before} images: {error}. The last good "
                    f"checkpoint ({saved} images) is kept in {run_dir}; another --seed in "
                    "another --run may go better."
                ) from error
            row = None
            if crosses(before, state.images, when.log_images):
                row = {"images": state.images, **read(before)}
                with writing(run_dir), (run_dir / "log.jsonl").open("a") as file:
                    file.write(json.dumps(row) + "\n")
            if crosses(before, state.images, when.checkpoint_images):
                _save(state, run_dir)
                saved = state.images
            after(before)
            yield Tick(state, row)
    if state.images > saved:
        _save(state, run_dir)
    if stop:
        report(f"stopped after {state.images} images; the same command goes on from there")


def crosses(before: int, after: int, every: int) -> bool:
    """Whether a multiple of `every` lies between."""
    return before // every != after // every


def _cut_log(path: Path, images: int) -> None:
    """Forget rows of images that came after the checkpoint: they are about to be seen again."""
    if path.is_file():
        rows = path.read_text().splitlines()
        kept = [row for row in rows if json.loads(row)["images"] <= images]
        path.write_text("".join(f"{row}\n" for row in kept))


def _save(state: Learner, run_dir: Path) -> None:
    meta = {"config": state.config.model_dump(mode="json")}
    save_checkpoint(run_dir, state.images, state.tensors(), meta)


@contextmanager
def _stop_flag() -> Iterator[list[int]]:
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
