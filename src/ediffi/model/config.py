"""What a model folder says about itself: stages, encoders, training data, vocabulary."""

from __future__ import annotations

from functools import cached_property
from itertools import pairwise
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ediffi.core.types import ROLES, DataSource
from ediffi.diffusion.experts import Interval, check_tiling
from ediffi.diffusion.samplers import SAMPLERS
from ediffi.diffusion.sigmas import NoiseDistribution, karras_schedule
from ediffi.encoders.spec import EncoderSpec
from ediffi.language.vocabulary import Vocabulary
from ediffi.networks.config import UNetConfig

StageName = Literal["base", "sr256", "sr1024"]


class Sampling(BaseModel):
    """How a stage is sampled unless the user says otherwise.

    sigma_min, sigma_max, rho: Karras et al. 2022, equation 5; an upscaler starts from the enlarged
    low-resolution picture plus noise of std sigma_max.
    guidance_interval: guidance acts for sigma in (low, high], None for all.
    threshold_percentile: of |x0|, None for no thresholding; threshold_cap: its largest scale.
    augmentation: std of the noise that an upscaler's input gets, once per picture.
    style_strength: how much of a reference picture's part is taken, see `Referenced`; 0 for none.
    tile: side in pixels of the tiles that bound an upscaler's memory, None for the picture whole.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    sampler: str = "dpmpp_2m"
    num_steps: int = Field(ge=1, le=1000)
    sigma_min: float = Field(gt=0)
    sigma_max: float = Field(gt=0, le=1e5)
    rho: float = Field(default=7.0, ge=1, le=100)
    guidance_scale: float = Field(default=1.0, ge=0, le=100)
    guidance_interval: tuple[float, float] | None = None
    threshold_percentile: float | None = Field(default=None, gt=0, le=1)
    threshold_cap: float = Field(default=1.0, ge=1)
    augmentation: float = Field(default=0.0, ge=0)
    style_strength: float = Field(default=1.0, ge=0, le=3)
    tile: int | None = Field(default=None, ge=16)

    @model_validator(mode="after")
    def _check(self) -> Sampling:
        if self.sampler not in SAMPLERS:
            raise ValueError(f"unknown sampler {self.sampler!r}: choose {' or '.join(SAMPLERS)}")
        if self.sigma_min > self.sigma_max:
            raise ValueError(f"sigma_min {self.sigma_min} is above sigma_max {self.sigma_max}")
        sigmas = karras_schedule(self.num_steps, self.sigma_min, self.sigma_max, self.rho)
        if any(after >= before for before, after in pairwise(sigmas)):
            raise ValueError(
                f"sigma_min {self.sigma_min} and sigma_max {self.sigma_max} are too near for "
                f"{self.num_steps} steps"
            )
        return self


class Expert(Interval):
    """An expert denoiser. file: what is its own, in the model folder; images_seen: by its weights,
    those of the networks it was split from included."""

    file: str
    images_seen: int = Field(ge=0)


class StageConfig(BaseModel):
    """One diffusion model of the cascade.

    resolution: side of its pictures, pixels; sigma_data: std of what its network draws (of the
    pictures in a base, of what the enlarged picture lacks in an upscaler); noise: the p(sigma) it
    was trained with; images_seen: by the weights beside this file; listens: roles that it was
    trained with, the others stay its null tokens (None: all).
    experts: from low sigma to high, all of this network's shape; () for a single network.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: StageName
    resolution: int = Field(ge=16)
    network: UNetConfig
    sigma_data: float = Field(gt=0)
    noise: NoiseDistribution = NoiseDistribution()
    sampling: Sampling
    images_seen: int = Field(default=0, ge=0)
    listens: tuple[str, ...] | None = None
    experts: tuple[Expert, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> StageConfig:
        if self.experts:
            check_tiling(self.experts)
        if len({expert.node for expert in self.experts}) < len(self.experts):
            raise ValueError(f"stage {self.name}: two experts of one name")
        return self

    @property
    def files(self) -> tuple[str, ...]:
        """Its weights in the model folder: those of the network, or what all experts share, and
        then each expert's own."""
        return (f"{self.name}/model.safetensors", *(expert.file for expert in self.experts))

    def experts_met(self, how: Sampling) -> list[str]:
        """Its experts that a sampling asks, in that order, each with its interval."""
        sigmas = karras_schedule(how.num_steps, how.sigma_min, how.sigma_max, how.rho)
        met = (str(expert) for sigma in sigmas for expert in self.experts if sigma in expert)
        return list(dict.fromkeys(met))

    @property
    def input_resolution(self) -> int:
        """Side of the low-resolution picture that an upscaler reads."""
        return self.resolution // self.network.scale


class ModelConfig(BaseModel):
    """A whole model.

    vocabulary: what it was trained to draw, label -> keywords; words: other words of its training
    captions (colours, places, styles). Both empty: nothing is claimed and nothing is noted.
    looks: what captions call each style; spread: styles that seeds take in turn; grounds: plain
    backgrounds, as phrases. See `with_look`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    name: str
    stages: tuple[StageConfig, ...] = Field(min_length=1)
    encoders: dict[str, EncoderSpec]
    data: tuple[DataSource, ...] = ()
    vocabulary: dict[str, tuple[str, ...]] = {}
    styles: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    looks: dict[str, tuple[str, ...]] = {}
    spread: tuple[str, ...] = ()
    grounds: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> ModelConfig:
        unknown = set(self.encoders) - set(ROLES)
        if unknown:
            raise ValueError(f"unknown roles {sorted(unknown)}: choose from {', '.join(ROLES)}")
        if not set(self.spread) <= self.looks.keys():
            raise ValueError("spread: every style needs looks")
        for before, after in zip(self.stages, self.stages[1:], strict=False):
            if after.input_resolution != before.resolution:
                raise ValueError(
                    f"stage {after.name} reads {after.input_resolution} px, "
                    f"but {before.name} draws {before.resolution} px"
                )
        return self

    @property
    def phrases(self) -> tuple[str, ...]:
        """What captions of its training said beside the vocabulary: words and styles."""
        return (*self.words, *self.styles)

    @cached_property
    def claims(self) -> Vocabulary:
        """What it says that it draws, as prompts are understood by."""
        return Vocabulary(self.vocabulary, self.phrases, self.looks, self.name)

    def stage(self, name: str) -> StageConfig:
        """The stage of that name."""
        return next(stage for stage in self.stages if stage.name == name)
