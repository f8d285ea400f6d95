"""Runs that are small enough for a test, on scenes of the tiny grid."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from tiny_grid import STYLES
from torch import Tensor

from ediffi.data.collection import Collection
from ediffi.encoders import CachedText, EncoderSpec, TextEncoder
from ediffi.pictogram.composer import Composer, SceneConfig
from ediffi.pictogram.grid import Grid
from ediffi.pictogram.scenes import Scenes
from ediffi.train.checkpoint import found
from ediffi.train.config import Recipe
from ediffi.train.examples import Examples
from ediffi.train.loop import train
from ediffi.train.parallel import ALONE, Ranks
from ediffi.train.recipes import recipe
from ediffi.train.samples import sample_grid
from ediffi.train.state import TrainState, stage_state

SCENES = SceneConfig(styles=STYLES[:2], seed=3)
SMALL = {
    "data.scenes": SCENES.model_dump(),
    "data.num_pictures": 16,
    "data.shown_masks": 0.0,
    "schedule.num_images": 48,
    "schedule.batch_size": 4,
    "schedule.log_images": 16,
    "schedule.checkpoint_images": 16,
    "schedule.sample_images": 32,
    "sampling.num_steps": 2,
}


def config(stage: str = "base", changes: Mapping[str, Any] | None = None) -> Recipe:
    """A recipe of 48 images; changes by dotted names."""
    return recipe("tiny", stage, t5_width=32).changed(SMALL | dict(changes or {}))


def scenes_of(grid: Grid, scenes: SceneConfig = SCENES) -> Scenes:
    return Scenes(Composer(grid, scenes))


def bert_text(folder: Path) -> dict[str, Any]:
    """A text encoder that has seen nothing yet."""
    return {"t5": CachedText(TextEncoder.load(EncoderSpec(kind="text", source=str(folder))))}


def run(
    settings: Recipe,
    run_dir: Path,
    collection: Collection,
    encoders: Mapping[str, Any],
    *,
    stop: int | None = None,
    prior: dict[str, Tensor] | None = None,
    kept: Path | None = None,
    ranks: Ranks = ALONE,
) -> TrainState[Recipe]:
    """Train to the end, or let go without a word after `stop` images.

    kept: where examples are kept, if not in the folder of the run; ranks: this process's part.
    """
    examples = Examples(settings, collection, encoders, folder=kept or run_dir / "examples")
    for _ in examples.prepare(ranks):
        pass
    state = stage_state(settings, prior=prior, ranks=ranks)
    sample = partial(sample_grid, state, examples) if settings.part == "denoiser" else None
    for tick in train(state, run_dir, examples, sample=sample, report=lambda _: None):
        if tick.state.images == stop:
            break
    return state


def final(run_dir: Path) -> dict[str, Tensor]:
    """The tensors of a run's newest checkpoint."""
    return load_file(found(run_dir)[0].with_suffix(".safetensors"))


def equal(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)
