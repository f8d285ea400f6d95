"""What a training run is: one stage, its data, its recipe. Progress is counted in images seen."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from ediffi.core.errors import UserError
from ediffi.core.types import DataSource
from ediffi.diffusion import NoiseDistribution
from ediffi.model.config import StageName
from ediffi.networks import PRESETS, STAGES, UNetConfig
from ediffi.pictogram.captions import STYLES
from ediffi.pictogram.composer import SceneConfig, vocabulary
from ediffi.train.run import RunConfig

PAPER_DROPOUT = {"t5": 0.25, "clip_text": 0.2, "clip_image": 0.9}


class Origin(BaseModel):
    """What a run's first weights were, if not fresh: a stage of the model with this hash, after
    images_seen images of these sources."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model_hash: str
    stage: StageName
    images_seen: int
    data: tuple[DataSource, ...]


class TrainConfig(RunConfig):
    """One run.

    sigma_data: standard deviation of the pictures, see `measure_sigma_data`, or of what they have
    beyond what is known without noise, see `ResidualEDM`.
    num_scenes: scenes that the run goes round and round; each is composed and its caption encoded
    once. ema_images: half-life of the weight average, in images.
    sketch_images: for so many images at the start only the network's sketch learns, which is quick;
    a base's then stays as it is, see `TrainState.step`.
    dropout: how often each role is replaced by its null token, independently.
    shown_masks: how often a base is shown where phrases are, as if painted, see `train.masks`;
    layout_loss: weight of where a sketch's layers are against where things are, see `layout_loss`;
    with it the sketch is told where to draw them; drawing_loss: weight of each layer's drawing
    against its thing's, see `drawing_loss`.
    huber: of the denoiser's loss, see `edm_loss`.
    other_reference: how often the picture that fills `clip_image` beside text is another one of
    the same style, see `References`.
    origin: of the weights the run starts from, None for fresh ones. data: see `fingerprint`.
    """

    stage: StageName
    preset: str
    network: UNetConfig
    noise: NoiseDistribution
    sigma_data: float = Field(gt=0)
    scenes: SceneConfig
    num_scenes: int = Field(gt=0)
    sketch_images: int = 0
    warmup_images: int = 5_000
    cooldown: float = Field(0.25, ge=0, le=1)
    ema_images: int = 10_000
    weight_decay: float = 0.01
    dropout: dict[str, float] = Field({"t5": 0.1})
    shown_masks: float = Field(0.0, ge=0, le=1)
    layout_loss: float = Field(0.0, ge=0)
    drawing_loss: float = Field(0.0, ge=0)
    huber: float | None = Field(None, gt=0)
    other_reference: float = Field(0.0, ge=0, le=1)
    max_augmentation: float = 0.3
    seed: int = 0
    origin: Origin | None = None
    data: str = ""
    log_images: int = 2_000
    sample_images: int = 20_000
    checkpoint_images: int = 20_000

    @property
    def needs_masks(self) -> bool:
        """Whether examples have masks of what their captions name."""
        return self.shown_masks > 0 or self.layout_loss > 0 or self.drawing_loss > 0


def preset_config(preset: str, stage: str, *, t5_width: int = 384) -> TrainConfig:
    """The recipe of a preset's stage, for a text encoder of that width (384: MiniLM's).

    `paper` has networks, but no recipe: nobody has run one here.
    """
    if stage not in STAGES:
        raise UserError(f"unknown stage {stage!r}: choose from {', '.join(STAGES)}")
    if preset not in RECIPES:
        raise UserError(f"no recipe for preset {preset!r}: choose from {', '.join(RECIPES)}")
    network = PRESETS[preset][stage]
    recipe = RECIPES[preset]["base" if stage == "base" else "upscaler"]
    return TrainConfig(
        stage=stage,
        preset=preset,
        network=network.model_copy(update={"roles": network.roles | {"t5": t5_width}}),
        # upscalers need no words, so they learn from every concept
        scenes=BASE_SCENES.model_copy(update={"concepts": tuple(vocabulary())})
        if stage == "base"
        else SceneConfig(styles=UPSCALER_STYLES),
        **{**recipe, **RECIPES[preset].get(stage, {})},
    )


# all that may be shipped; a quarter of what is drawn is of the usual one
BASE_STYLES = ("fluent-emoji-flat", "fluent-emoji-flat", "fluent-emoji-flat", *STYLES)
# up to four things anywhere, on plain grounds: a 64 px picture has no room for scenery
BASE_SCENES = SceneConfig.full(
    styles=BASE_STYLES,
    mix=(0.45, 0.35, 0.12, 0.08),
    mirrored=0.0,
    in_front=0.0,
    sized=0.2,
    shadows=0.0,
    symbols=1.0,
    backdrops=0.0,
    recoloured=0.15,
    detailed=0.1,
)
# all that are vectors: a raster of 256 px is no target at 1024
UPSCALER_STYLES = tuple(style for style in STYLES if style != "fluent-emoji-3d")

FROM_NOISE = NoiseDistribution(mean=0.0, std=1.5)  # for a base whose sketch knows no places

RECIPES: dict[str, dict[str, dict[str, object]]] = {
    "pictogram": {
        "base": {
            "noise": NoiseDistribution(mean=-2.5, std=1.0),  # sampling starts from a sketch
            "sigma_data": 0.02,  # of most pixels; the rest is left to the pseudo-Huber error
            "huber": 0.1,
            "num_scenes": 40_960,
            "num_images": 60_000,
            "cooldown": 0.4,
            "sketch_images": 36_000,
            "warmup_images": 2_000,
            "batch_size": 16,
            "learning_rate": 6e-4,
            "shown_masks": 0.5,
            "layout_loss": 0.1,
            "drawing_loss": 1.0,
            "other_reference": 0.9,
        },
        "upscaler": {
            "noise": NoiseDistribution(mean=-2.8, std=1.2),
            "sigma_data": 0.04,
            "num_scenes": 8_192,
            "num_images": 20_000,
            "sketch_images": 8_000,
            "cooldown": 0.4,
            "warmup_images": 1_000,
            "batch_size": 4,
            "learning_rate": 7e-4,
            "max_augmentation": 0.1,
            "other_reference": 0.9,
        },
        "sr1024": {"num_scenes": 2_048},  # crops are slow to draw
    },
    "tiny": {
        "base": {
            "noise": NoiseDistribution(mean=-0.5, std=1.4),
            "sigma_data": 0.55,
            "num_scenes": 64,
            "num_images": 256,
            "batch_size": 8,
            "learning_rate": 1e-3,
            "warmup_images": 32,
            "sketch_images": 64,
        },
        "upscaler": {
            "noise": NoiseDistribution(mean=-2.3, std=1.2),
            "sigma_data": 0.12,
            "num_scenes": 32,
            "num_images": 64,
            "sketch_images": 16,
            "batch_size": 4,
            "learning_rate": 1e-3,
            "warmup_images": 16,
        },
    },
}
