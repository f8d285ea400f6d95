"""Sample grids of a run, from fixed captions and seeds: the eye follows what it learns."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from ediffi.core.pixels import grid, to_uint8
from ediffi.core.types import Prompt
from ediffi.model import Stage
from ediffi.train.examples import Examples
from ediffi.train.export import stage_config
from ediffi.train.state import TrainState

NUM_SAMPLES = 16


def sample_grid(state: TrainState, examples: Examples, path: Path) -> None:
    """Draw 16 captions with the averaged weights, as the shipped stage would; captions go beside.

    They are of scenes that the run does not reach, those numbered from num_scenes on; where there
    are no more, of the first pictures. An upscaler's rows show its input, output and the original.
    """
    first = state.config.num_scenes
    numbers = range(first, first + NUM_SAMPLES)
    pictures, said = zip(*(examples.picture(n) for n in numbers), strict=True)
    captions = [texts[0] for texts in said]
    clean = torch.stack(pictures).float() / 127.5 - 1
    config = stage_config(state).model_copy(update={"resolution": clean.shape[-1]})
    low_res = None if config.network.scale == 1 else F.avg_pool2d(clean, config.network.scale)
    tokens = examples.encode(numbers, captions)
    tokens.pop("clip_image", None)  # no reference: that is how pictures are drawn by default
    everything = torch.ones(NUM_SAMPLES, dtype=torch.bool)
    prompt = Prompt(tokens, {role: everything for role in tokens})
    drawing = Stage(config, state.averaged()).sample(prompt, range(NUM_SAMPLES), low_res=low_res)
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
    sheet = grid(
        to_uint8(torch.cat(rows, dim=3)), columns=4, gap=0
    )  # a row's pictures side by side
    Image.fromarray(sheet).save(path)
    path.with_suffix(".txt").write_text("\n".join(captions) + "\n")
