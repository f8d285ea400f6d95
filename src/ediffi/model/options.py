"""A request's options spread over the stages, before anything is read or drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from PIL import Image
from pydantic import ValidationError

from ediffi.core.errors import UserError
from ediffi.model.config import ModelConfig, Sampling, StageConfig
from ediffi.model.request import Request

T = TypeVar("T")


def stages_to_run(
    config: ModelConfig, stop_at: int | None = None, start_from: Image.Image | None = None
) -> list[StageConfig]:
    """The stages up to resolution `stop_at`, from the one that a picture to start from enters.

    That is the smallest upscaler whose input is not smaller than the picture's shorter side, or
    the last one that runs.

    Raises:
        UserError: no stage draws that size, or none can start so.
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


def per_stage(stages: Sequence[StageConfig], request: Request) -> list[Sampling]:
    """How each stage is sampled: its own defaults where the request says nothing.

    Raises:
        UserError: a value out of range, too few or too many values, a stage that does not run.
    """
    names = [str(stage.name) for stage in stages]
    styled = request.style_stages or names
    for wrong in set(styled) - set(names):
        raise UserError(f"no stage {wrong!r} runs to take a style: choose from {', '.join(names)}")
    steps = _spread("num_steps", request.num_steps, names)
    scales = _spread("guidance_scale", request.guidance_scale, names)
    out = []
    for stage, one_steps, one_scale in zip(stages, steps, scales, strict=True):
        asked: dict[str, Any] = {
            "num_steps": one_steps,
            "guidance_scale": one_scale,
            "sampler": request.sampler,
            "style_strength": request.style_strength if stage.name in styled else 0.0,
            "tile": request.tile if stage.network.scale > 1 else None,
        }
        asked = {key: value for key, value in asked.items() if value is not None}
        try:
            out.append(Sampling.model_validate(stage.sampling.model_dump() | asked))
        except ValidationError as error:
            raise UserError.of(error, f"stage {stage.name}") from error
    return out


def _spread(name: str, values: Sequence[T] | None, stages: Sequence[str]) -> list[T | None]:
    """One value is the first stage's; several are one for each."""
    given = list(values or ())
    if len(given) not in (0, 1, len(stages)):
        names = ", ".join(stages)
        raise UserError(f"{name} has {len(given)} values for {len(stages)} stages ({names})")
    return [*given, *[None] * (len(stages) - len(given))]
