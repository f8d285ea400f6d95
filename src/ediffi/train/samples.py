"""Sample grids of a run, from fixed captions and seeds: the eye follows what it learns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ediffi.diffusion import Guided, dpmpp_2m, drive, enlarge, gaussian, initial, karras_schedule
from ediffi.train.examples import Examples
from ediffi.types import Denoiser

NUM_SAMPLES = 16
GUIDANCE = 3.0


def sample_grid(denoiser: Denoiser, examples: Examples, path: Path) -> None:
    """Draw 16 captions from noise; captions go beside the picture as text.

    An upscaler's rows show its input, its output and the original.
    """
    config = examples.config.model_copy(update={"batch_size": NUM_SAMPLES})
    # scenes the run does not reach: the numbers from num_scenes on
    fresh = config.model_copy(update={"num_scenes": 2 * config.num_scenes})
    batch = Examples(fresh, examples.composer, examples.text).batch(config.num_scenes)
    keep = batch.cond.prompt.keep
    keep["t5"] = torch.ones_like(keep["t5"])
    noise = gaussian(range(NUM_SAMPLES), tuple(batch.clean.shape[1:]), "sample")
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        if batch.cond.low_res is None:
            sampler = dpmpp_2m(initial(noise, 80.0), karras_schedule(20, 0.03, 80.0))
            *_, images = drive(sampler, Guided(denoiser, GUIDANCE), batch.cond)
            rows = [images]
        else:
            size = (batch.clean.shape[2], batch.clean.shape[3])
            up = enlarge(batch.cond.low_res, size)
            sampler = dpmpp_2m(initial(noise, 1.0, up), karras_schedule(5, 0.02, 1.0))
            *_, images = drive(sampler, denoiser, batch.cond)
            rows = [up, images, batch.clean]
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(_grid(rows)).save(path)
    captions = [examples.composer.scene(config.num_scenes + i).caption for i in range(NUM_SAMPLES)]
    path.with_suffix(".txt").write_text("\n".join(captions) + "\n")


def _grid(rows: list[Tensor], columns: int = 4) -> np.ndarray:
    """(n, 3, H, W) pictures in [-1, 1], those of one index side by side -> (H', W', 3) uint8."""
    cells = torch.cat(rows, dim=3)
    cells = ((cells.float().clamp(-1, 1) + 1) * 127.5).round().byte()
    lines = [torch.cat(list(cells[i : i + columns]), dim=2) for i in range(0, len(cells), columns)]
    return torch.cat(lines, dim=1).permute(1, 2, 0).numpy()
