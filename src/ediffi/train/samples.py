"""Sample grids of a run, from fixed captions and seeds: the eye follows what it learns."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from ediffi.cascade import Stage
from ediffi.conditioning import make_prompt
from ediffi.train.examples import Examples
from ediffi.train.export import stage_config
from ediffi.train.state import TrainState

NUM_SAMPLES = 16


def sample_grid(state: TrainState, examples: Examples, path: Path) -> None:
    """Draw 16 captions with the averaged weights, as the shipped stage would; captions go beside.

    They are of scenes that the run does not reach, those numbered from num_scenes on. An upscaler's
    rows show its input, its output and the original.
    """
    first = state.config.num_scenes
    scenes = [examples.picture(i) for i in range(first, first + NUM_SAMPLES)]
    captions = [caption for _, caption in scenes]
    clean = torch.stack([picture for picture, _ in scenes]).float() / 127.5 - 1
    config = stage_config(state).model_copy(update={"resolution": clean.shape[-1]})
    low_res = None if config.network.scale == 1 else F.avg_pool2d(clean, config.network.scale)
    drawing = Stage(config, state.averaged()).sample(
        make_prompt({"t5": examples.text}, captions), range(NUM_SAMPLES), low_res=low_res
    )
    while True:
        try:
            next(drawing)
        except StopIteration as done:
            images: Tensor = done.value
            break
    rows = [images]
    if low_res is not None:
        rows = [F.interpolate(low_res, clean.shape[2:], mode="nearest"), images, clean]
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(_grid(rows).numpy()).save(path)
    path.with_suffix(".txt").write_text("\n".join(captions) + "\n")


def _grid(rows: list[Tensor], columns: int = 4) -> Tensor:
    """(n, 3, H, W) pictures in [-1, 1], those of one index side by side -> (H', W', 3) uint8."""
    cells = torch.cat(rows, dim=3)
    cells = ((cells.clamp(-1, 1) + 1) * 127.5).round().byte()
    lines = [torch.cat(list(cells[i : i + columns]), dim=2) for i in range(0, len(cells), columns)]
    return torch.cat(lines, dim=1).permute(1, 2, 0)
