"""What the training of a stage is: one recipe, whole. `ediffi train base --show` prints it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator
from torch import Tensor

from ediffi.core.types import DataSource
from ediffi.diffusion import NoiseDistribution
from ediffi.model.config import Sampling, StageName
from ediffi.networks import UNetConfig
from ediffi.pictogram.composer import SceneConfig
from ediffi.train.schedule import Frozen, RunConfig

PAPER_DROPOUT = {"t5": 0.25, "clip_text": 0.2, "clip_image": 0.9}


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
