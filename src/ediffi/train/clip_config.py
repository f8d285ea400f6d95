"""What a run that trains a CLIP is: its towers, its pictures and captions, its recipe."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field, model_validator

from ediffi.core.errors import UserError
from ediffi.pictogram.captions import STYLES
from ediffi.pictogram.composer import SceneConfig, vocabulary
from ediffi.train.config import Frozen, Optimiser, RunConfig, Schedule

HEAD_WIDTH = 32
VOCABULARY_TIMES = 8  # as often as anything else


class Tower(Frozen):
    """A transformer's shape; its MLPs are four times as wide, its heads are 32."""

    width: int = Field(gt=0)
    layers: int = Field(gt=0)

    @property
    def heads(self) -> int:
        return max(1, self.width // HEAD_WIDTH)


class ClipConfig(RunConfig):
    """One run.

    side, patch: of pictures, in pixels; positions: the longest caption, in tokens; vocabulary: of
    the tokenizer, which is learned from the captions; scenes, num_scenes: what the pictures are,
    composed once and shown again and again. captioned: so many pictures of a batch come with a
    caption; texts are learned sooner than pictures. group: so many neighbours in a batch show the
    same thing, so that their captions differ in style and the rest.
    shared: weight of a positive that is not one's own, see `positives`; anchors: weight of
    `anchor_loss`; smoothing: of its targets.
    style: weight of the style's part in it. data: fingerprint of the grid; kept_text: hash of the
    CLIP whose text tower stays as it is; given_pictures: of the one whose picture tower this one
    starts from.
    """

    preset: str
    text: Tower
    image: Tower
    projection: int = Field(256, gt=0)
    side: int = Field(64, gt=0)
    patch: int = Field(16, gt=0)
    positions: int = Field(96, gt=2)
    vocabulary: int = Field(4096, ge=514)
    scenes: SceneConfig
    num_scenes: int = Field(gt=0)
    captioned: int = Field(gt=0)
    group: int = Field(2, ge=1)
    shared: float = Field(0.5, ge=0, le=1)
    anchors: float = Field(1.0, ge=0)
    smoothing: float = Field(0.1, ge=0, lt=1)
    style: float = Field(4.0, ge=0)
    data: str = ""
    kept_text: str = ""
    given_pictures: str = ""

    @model_validator(mode="after")
    def _things_fit(self) -> ClipConfig:
        if self.side % self.patch:
            raise ValueError(f"pictures of {self.side} px have no whole patches of {self.patch}")
        if self.compute.accumulation > 1:
            raise ValueError("a CLIP's batch is whole: no accumulation")
        if self.captioned > self.schedule.batch_size:
            raise ValueError(f"captioned is {self.captioned}, more than the batch has pictures")
        if self.num_scenes % self.group or self.num_scenes < self.schedule.batch_size:
            raise ValueError(f"{self.num_scenes} scenes: too few, or not whole groups")
        return self


def clip_preset(preset: str, concepts: Sequence[str] = ()) -> ClipConfig:
    """The recipe of a preset, in all styles of the grid.

    concepts: shown beside the default vocabulary, to teach what a style is; but less often, since
    a short run does not learn as many things.
    """
    if preset not in RECIPES:
        raise UserError(f"no CLIP recipe for preset {preset!r}: choose from {', '.join(RECIPES)}")
    shown = (*(VOCABULARY_TIMES * tuple(vocabulary())), *concepts)
    scenes = SCENES.model_copy(update={"concepts": shown})
    return ClipConfig.model_validate({"preset": preset, "scenes": scenes, **RECIPES[preset]})


# One thing, or two that are told apart by their words: no groups and counts, which a set of things
# does not tell. Captions of the full form, most of them with the style.
SCENES = SceneConfig(
    styles=tuple(STYLES),
    mix=(0.85, 0.15, 0.0, 0.0),
    jitter=0.3,
    counted=0.0,
    grouped=0.0,
    in_front=0.0,
    sized=0.0,
    shadows=0.1,
    symbols=1.0,
    plain_share=0.75,
    backdrops=0.1,
    recoloured=0.1,
    num_captions=3,
    detailed=0.0,
    keywords=0.15,
    caption_style=0.6,
    caption_background=0.7,
)

OPTIMISER = Optimiser(learning_rate=1e-3, betas=(0.9, 0.98), weight_decay=0.1, decay_vectors=False)
RECIPES: dict[str, dict[str, object]] = {
    "pictogram": {
        "text": Tower(width=256, layers=2),
        "image": Tower(width=192, layers=4),
        "side": 128,
        "patch": 16,
        "num_scenes": 49_152,
        "captioned": 16,
        "optimiser": OPTIMISER,
        "schedule": Schedule(
            num_images=400_000,
            batch_size=64,
            warmup_images=4_000,
            cooldown=0.8,
            ema_images=None,
            log_images=5_120,
            checkpoint_images=20_480,
        ),
    },
    "tiny": {
        "text": Tower(width=32, layers=1),
        "image": Tower(width=32, layers=1),
        "projection": 32,
        "vocabulary": 640,
        "num_scenes": 64,
        "captioned": 8,
        "optimiser": OPTIMISER,
        "schedule": Schedule(
            num_images=256,
            batch_size=16,
            warmup_images=32,
            cooldown=0.8,
            ema_images=None,
            log_images=64,
            checkpoint_images=128,
        ),
    },
}
