"""Sample grids of a run, from fixed captions and seeds: the eye follows what it learns."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image

from ediffi.core.pixels import grid, to_uint8
from ediffi.core.types import Prompt
from ediffi.diffusion import result_of
from ediffi.encoders.cache import pad
from ediffi.model import Stage
from ediffi.networks import build_denoiser
from ediffi.train.config import Recipe
from ediffi.train.examples import Examples
from ediffi.train.export import stage_config
from ediffi.train.state import TrainState, take

NUM_SAMPLES = 16


def sample_grid(state: TrainState[Recipe], examples: Examples, path: Path) -> None:
    """Draw 16 captions with the averaged weights, as the shipped stage would; captions go beside.

    They are of scenes that the run does not reach, those numbered from num_pictures on; where there
    are no more, of the first pictures. An upscaler's rows show its input, output and the original.
    Of several ranks the first draws, with the weights of all.
    """
    weights = state.averaged()
    if not state.ranks.first:
        return
    first = state.config.data.num_pictures
    numbers = range(first, first + NUM_SAMPLES)
    shown = examples.make(numbers)
    clean = torch.stack([e.pixels for e in shown]).float() / 127.5 - 1
    config = stage_config(state).model_copy(update={"resolution": clean.shape[-1]})
    low_res = None if config.network.scale == 1 else F.avg_pool2d(clean, config.network.scale)
    # no reference: that is how pictures are drawn by default
    tokens = {role: pad([e.captions[0].tokens[role] for e in shown]) for role in examples.texts}
    everything = torch.ones(NUM_SAMPLES, dtype=torch.bool)
    prompt = Prompt(tokens, {role: everything for role in tokens})
    denoiser = build_denoiser(config.network, config.sigma_data)
    take(denoiser, weights)
    stage = Stage(config, denoiser).to(state.ranks.device)
    images = result_of(stage.sample(prompt, range(NUM_SAMPLES), low_res=low_res))
    rows = [images]
    if low_res is not None:
        rows = [F.interpolate(low_res, clean.shape[2:], mode="nearest"), images, clean]
    path.parent.mkdir(parents=True, exist_ok=True)
    # a row's pictures side by side
    Image.fromarray(grid(to_uint8(torch.cat(rows, dim=3)), columns=4, gap=0)).save(path)
    said = (examples.collection.captions(n)[0] for n in numbers)
    path.with_suffix(".txt").write_text("\n".join(said) + "\n")
