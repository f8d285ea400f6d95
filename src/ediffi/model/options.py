"""The user's options checked and spread over the stages, before anything is read or drawn."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from PIL import Image
from pydantic import ValidationError

from ediffi.core.errors import UserError
from ediffi.diffusion import SAMPLERS
from ediffi.model.config import ModelConfig, Sampling, StageConfig


def stages_to_run(
    config: ModelConfig, stop_at: int | None, start_from: Image.Image | None
) -> list[StageConfig]:
    """The stages up to resolution `stop_at`, from the one that a picture to start from enters.

    That is the smallest upscaler whose input is not smaller than the picture's shorter side, or
    the last one that runs.
    """
    stages = list(config.stages)
    if stop_at is not None:
        sizes = [stage.resolution for stage in stages]
        if stop_at not in sizes:
            known = ", ".join(map(str, sizes))
            raise UserError(f"cannot stop at {stop_at}: this model draws {known} pixels")
        stages = stages[: sizes.index(stop_at) + 1]
    if start_from is None:
        if stages[0].network.scale > 1:
            raise UserError("this model has no base: it needs a picture to start from")
        return stages
    upscalers = [stage for stage in stages if stage.network.scale > 1]
    if not upscalers:
        raise UserError("a picture to start from needs an upscaler: stop at a higher resolution")
    side = min(start_from.size)
    while len(upscalers) > 1 and side > upscalers[0].input_resolution:
        upscalers.pop(0)
    return upscalers


def picture_seeds(seeds: int | Sequence[int], num_pictures: int) -> list[int]:
    """One seed per picture: consecutive ones from a single seed."""
    if num_pictures < 1:
        raise UserError(f"num_images must be at least 1, got {num_pictures}")
    numbers = list(range(seeds, seeds + num_pictures)) if isinstance(seeds, int) else list(seeds)
    if len(numbers) != num_pictures:
        raise UserError(f"{len(numbers)} seeds for {num_pictures} pictures: give one for each")
    if min(numbers) < 0:
        raise UserError(f"seeds start at 0, got {min(numbers)}")
    return numbers


def per_stage(
    stages: Sequence[StageConfig],
    num_steps: int | Sequence[int] | None,
    guidance_scale: float | Sequence[float] | None,
    sampler: str | None,
    tile: int | None,
    style_strength: float | None = None,
    style_stages: Collection[str] | None = None,
) -> list[Sampling]:
    """How each stage is sampled: its own defaults where the user says nothing."""
    if sampler is not None and sampler not in SAMPLERS:
        raise UserError(f"unknown sampler {sampler!r}: choose {' or '.join(SAMPLERS)}")
    steps = _spread("num_steps", num_steps, stages)
    names = [str(stage.name) for stage in stages]
    for wrong in set(style_stages or ()) - set(names):
        raise UserError(f"no stage {wrong!r} runs to take a style: choose from {', '.join(names)}")
    scales = _spread("guidance_scale", guidance_scale, stages)
    out = []
    for stage, one_steps, one_scale in zip(stages, steps, scales, strict=True):
        asked: dict[str, Any] = {
            "num_steps": one_steps,
            "guidance_scale": one_scale,
            "sampler": sampler,
            "style_strength": style_strength if stage.name in (style_stages or names) else 0.0,
            "tile": tile if stage.network.scale > 1 else None,
        }
        asked = {key: value for key, value in asked.items() if value is not None}
        try:
            out.append(Sampling.model_validate(stage.sampling.model_dump() | asked))
        except ValidationError as error:
            first = error.errors()[0]
            name = first["loc"][0] if first["loc"] else "options"
            raise UserError(f"{name} of stage {stage.name}: {first['msg']}") from error
    return out


def _spread(name: str, value: Any, stages: Sequence[StageConfig]) -> list[Any]:
    if value is None or isinstance(value, int | float):
        return [value, *[None] * (len(stages) - 1)]
    values = list(value)
    if len(values) != len(stages):
        names = ", ".join(stage.name for stage in stages)
        raise UserError(f"{name} has {len(values)} values for {len(stages)} stages ({names})")
    return values
