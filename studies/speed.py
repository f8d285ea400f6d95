"""How fast scenes are drawn, and what painting costs a step."""

from __future__ import annotations

import time
from statistics import median

import torch

from ediffi.cli.bench import PROMPT, table
from ediffi.encoders import make_prompt
from ediffi.model import Cascade
from ediffi.paint import from_regions, paint, place
from ediffi.pictogram.composer import Composer

PAINTED = [
    {"phrase": "fox", "box": [0, 0.2, 0.5, 1]},
    {"phrase": "rocket", "box": [0.5, 0, 1, 1]},
]


def time_scenes(composer: Composer, num_scenes: int, size: int) -> None:
    """Composing, captioning and drawing scenes on one core. Cold: the first time that a picture is
    drawn; warm: the same scenes once more. Rates are of processor time, so that other work on the
    machine does not count."""
    cold = sum(_seconds(composer, num_scenes, size))
    compose, draw = _seconds(composer, num_scenes, size)
    table("cold, 1/s", "warm, 1/s", "compose, ms", "draw, ms")
    table(
        f"{num_scenes / cold:.0f}",
        f"{num_scenes / (compose + draw):.0f}",
        f"{compose / num_scenes * 1e3:.2f}",
        f"{draw / num_scenes * 1e3:.2f}",
    )


def _seconds(composer: Composer, num_scenes: int, size: int) -> tuple[float, float]:
    """Processor seconds for composing, and for drawing."""
    begin = time.process_time()
    scenes = [composer.scene(index) for index in range(num_scenes)]
    middle = time.process_time()
    for scene in scenes:
        composer.render(scene, size)
    return middle - begin, time.process_time() - middle


def time_regions(model: str, repeats: int) -> None:
    """Seconds of a denoising of every stage: the prompt alone, and with two phrases painted.

    The two take turns, so that what else the machine does hits both.
    """
    cascade = Cascade.from_pretrained(model)
    plain = make_prompt(cascade.encoders, [PROMPT])
    painted = paint(plain, cascade.encoders, [PROMPT], [place(PROMPT, from_regions(PAINTED))])
    table("stage", "plain s", "painted s", "more")
    for stage in cascade.stages:
        how, side = stage.config.sampling, stage.config.resolution
        low = stage.config.input_resolution
        low_res = None if stage.config.network.scale == 1 else torch.zeros(1, 3, low, low)
        denoise = stage.denoise_with(how, torch.bfloat16)
        conds = [stage.condition(p, [0], low_res, how.augmentation) for p in (plain, painted)]
        x, sigma = torch.zeros(1, 3, side, side), torch.full((1,), how.sigma_max)
        seconds: tuple[list[float], list[float]] = ([], [])
        for _ in range(repeats + 1):
            for cond, times in zip(conds, seconds, strict=True):
                start = time.perf_counter()
                denoise(x, sigma, cond)
                times.append(time.perf_counter() - start)
        a, b = (median(times[1:]) for times in seconds)  # the first projects the prompt
        table(str(stage.config.name), f"{a:.4f}", f"{b:.4f}", f"{b / a - 1:+.1%}")
