"""What all training runs share: how long, how fast, when to tell and to save; counted in images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field

# may differ when a run is resumed (the first two only shape the learning rate); nothing else may
RESUMABLE = {
    f"schedule.{name}"
    for name in ("num_images", "cooldown", "log_images", "sample_images", "checkpoint_images")
}


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Schedule(Frozen):
    """How long a run is and when it tells and saves.

    The learning rate rises over `warmup_images`, stays, and falls to zero over the last `cooldown`
    share of `num_images`. ema_images: half-life of the weight average.
    """

    num_images: int = Field(gt=0)
    batch_size: int = Field(gt=0)
    warmup_images: int = Field(5_000, ge=0)
    cooldown: float = Field(0.25, ge=0, le=1)
    ema_images: int = Field(10_000, gt=0)
    log_images: int = Field(2_000, gt=0)
    sample_images: int = Field(20_000, gt=0)
    checkpoint_images: int = Field(20_000, gt=0)

    def rate_at(self, images: int) -> float:
        """The learning rate after `images` images, as a share of its highest."""
        start = (1 - self.cooldown) * self.num_images
        fall = (self.num_images - images) / max(1.0, self.num_images - start)
        rise = (images + self.batch_size) / max(1, self.warmup_images)
        return max(0.0, min(1.0, rise, fall))


class Optimiser(Frozen):
    """AdamW; gradients are clipped to a norm of clip_norm."""

    learning_rate: float = Field(gt=0)
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = Field(0.01, ge=0)
    clip_norm: float = Field(1.0, gt=0)


class RunConfig(Frozen):
    """What a run is; more in the classes made from it."""

    schedule: Schedule
    optimiser: Optimiser
    seed: int = Field(0, ge=0)

    def changed(self, changes: Mapping[str, Any]) -> Self:
        """The same with other values, by dotted names: {"schedule.num_images": 1000}.

        Raises:
            ValueError: no such field, or a value that does not fit.
        """
        data = self.model_dump()
        for name, value in changes.items():
            *path, last = name.split(".")
            place = data
            for part in path:
                place = place[part]
            place[last] = value
        return self.model_validate(data)

    def differences(self, theirs: Mapping[str, Any]) -> list[str]:
        """What keeps a run of another config, as JSON values, from continuing as this one:
        "field: theirs -> ours"."""
        ours, other = flat(self.model_dump(mode="json")), flat(theirs)
        names = sorted((ours.keys() | other.keys()) - RESUMABLE)
        return [
            f"{name}: {other.get(name)!r} -> {ours.get(name)!r}"
            for name in names
            if ours.get(name) != other.get(name)
        ]


def flat(data: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested dictionaries as one, with dotted names."""
    out: dict[str, Any] = {}
    for name, value in data.items():
        if isinstance(value, Mapping) and value:
            out |= flat(value, f"{prefix}{name}.")
        else:
            out[f"{prefix}{name}"] = value
    return out
