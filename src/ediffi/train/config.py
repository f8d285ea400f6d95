"""What a training run is: one recipe, whole. `ediffi train base --show` prints it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from torch import Tensor

from ediffi.core.errors import UserError
from ediffi.core.types import DataSource
from ediffi.diffusion import NoiseDistribution
from ediffi.model.config import Sampling, StageName
from ediffi.networks import UNetConfig
from ediffi.pictogram.composer import SceneConfig

PAPER_DROPOUT = {"t5": 0.25, "clip_text": 0.2, "clip_image": 0.9}
# may differ when a run is resumed, nothing else may: they shape the learning rate, or nothing
RESUMABLE = {
    "schedule.num_images",
    "schedule.cooldown",
    "schedule.log_images",
    "schedule.sample_images",
    "schedule.checkpoint_images",
    "compute.accumulation",
    "compute.compile",
}


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Schedule(Frozen):
    """How long a run is and when it tells and saves, all in images.

    The learning rate rises over `warmup_images`, stays, and falls to zero over the last `cooldown`
    share of `num_images`. ema_images: half-life of the weight average, None for no average.
    """

    num_images: int = Field(gt=0)
    batch_size: int = Field(gt=0)
    warmup_images: int = Field(5_000, ge=0)
    cooldown: float = Field(0.25, ge=0, le=1)
    ema_images: int | None = Field(10_000, gt=0)
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
    """AdamW; gradients are clipped to a norm of clip_norm. decay_vectors: whether weight_decay is
    also of biases, gains and other parameters of one dimension."""

    learning_rate: float = Field(gt=0)
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = Field(0.01, ge=0)
    decay_vectors: bool = True
    clip_norm: float = Field(1.0, gt=0)


class Compute(Frozen):
    """How a step is computed.

    precision: bf16 is autocast over float32 weights. accumulation: each process takes its part of a
    batch in so many pieces, for less memory. compile: by torch.compile, block by block.
    """

    precision: Literal["bf16", "fp32"] = "bf16"
    accumulation: int = Field(1, gt=0)
    compile: bool = False


class RunConfig(Frozen):
    """What every run is; more in the classes made from it."""

    schedule: Schedule
    optimiser: Optimiser
    compute: Compute = Compute()
    seed: int = Field(0, ge=0)

    def changed(self, changes: Mapping[str, Any]) -> Self:
        """The same with other values, by dotted names: {"schedule.num_images": 1000}.

        Raises:
            UserError: no such field, or a value that does not fit.
        """
        data = self.model_dump()
        try:
            for name, value in changes.items():
                *path, last = name.split(".")
                place = data
                for part in path:
                    place = place[part]
                place[last] = value
        except (KeyError, TypeError) as error:
            raise UserError(f"no such field in the recipe: {error}; see --show") from error
        try:
            return self.model_validate(data)
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(map(str, first["loc"]))
            raise UserError(f"recipe field {name}: {first['msg']}; see --show") from error

    def differences(self, theirs: Mapping[str, Any]) -> list[str]:
        """What keeps a run of another config, as JSON values, from continuing as this one:
        "field: theirs -> ours". A field that they do not name has its default."""
        try:
            theirs = self.model_validate(theirs).model_dump(mode="json")
        except ValidationError:
            pass  # of another class: told as it is
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


class Origin(Frozen):
    """What a run's first weights were, if not fresh: a stage of the model with this hash, after
    images_seen images of these sources."""

    model_hash: str
    stage: StageName
    images_seen: int
    data: tuple[DataSource, ...]


class Noise(Frozen):
    """Which sigmas training meets.

    distribution: p(sigma). interval: the share of its mass, from low sigma to high, that this
    network is trained on (an expert's node of the tree); leak: how often a sigma from the rest is
    drawn nevertheless (Decouple-then-Merge, arXiv 2410.06664, keeps experts sound so).
    """

    distribution: NoiseDistribution
    interval: tuple[float, float] = (0.0, 1.0)
    leak: float = Field(0.0, ge=0, lt=1)

    @field_validator("interval")
    @classmethod
    def _is_one(cls, interval: tuple[float, float]) -> tuple[float, float]:
        low, high = interval
        if not 0 <= low < high <= 1:
            raise ValueError(f"an interval is two shares, 0 <= low < high <= 1, not {interval}")
        return interval

    def sample(self, uniforms: Tensor) -> Tensor:
        """Sigmas (B,), float64, from uniforms (B,) in (0, 1): a pure function of them."""
        low, high = self.interval
        outside = low + (1 - high)
        if not self.leak or not outside:
            return self.distribution.sample(uniforms, low, high)
        u = uniforms.double()
        rest = u / self.leak * outside
        rest = rest + (high - low) * (rest >= low)
        inside = low + (u - self.leak) / (1 - self.leak) * (high - low)
        return self.distribution.sample(rest.where(u < self.leak, inside))


class DataConfig(Frozen):
    """Which pictures, and what is told of them.

    scenes: what pictograms are composed to, unless the pictures are shards of one's own.
    num_pictures: the run goes round and round through so many; each is drawn and its captions
    encoded once and kept on disk, see `Kept`.
    dropout: how often each role is replaced by its null token, independently.
    shown_masks: how often a picture is shown where phrases are, as if painted, see `train.masks`.
    other_reference: how often the picture that fills `clip_image` beside text is another one of
    the same style, see `train.references`.
    max_augmentation: largest std of the noise on an upscaler's low-resolution picture.
    fingerprint: hash of pictures, captions and encoders.
    """

    scenes: SceneConfig | None
    num_pictures: int = Field(gt=0)
    dropout: dict[str, float] = Field({"t5": 0.1})
    shown_masks: float = Field(0.0, ge=0, le=1)
    other_reference: float = Field(0.0, ge=0, le=1)
    max_augmentation: float = Field(0.0, ge=0)
    fingerprint: str = ""


class Recipe(RunConfig):
    """One run of one stage.

    part: the denoiser, or the prior that an upscaler's denoiser works around, which is trained
    before it, in a run of its own, and then stays as it is.
    sigma_data: standard deviation of the pictures, or of what they have beyond the prior.
    sampling: how the trained stage is sampled. origin: of the weights the run starts from, None for
    fresh ones.
    """

    stage: StageName
    preset: str
    part: Literal["denoiser", "prior"] = "denoiser"
    network: UNetConfig
    sigma_data: float = Field(gt=0)
    noise: Noise
    data: DataConfig
    sampling: Sampling
    origin: Origin | None = None
