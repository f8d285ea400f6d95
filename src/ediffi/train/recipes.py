"""Recipes by name: functions that return one whole `Recipe`."""

from __future__ import annotations

from typing import cast

from ediffi.core.errors import UserError
from ediffi.diffusion import NoiseDistribution
from ediffi.model.config import StageName
from ediffi.model.presets import SAMPLING
from ediffi.networks import PRESETS, RESOLUTIONS, STAGES
from ediffi.pictogram.captions import STYLES
from ediffi.pictogram.composer import SceneConfig, vocabulary
from ediffi.pictogram.scene import SMALL_SCENES
from ediffi.train.config import DataConfig, Noise, Optimiser, Recipe, Schedule

# all that may be shipped; a quarter of what is drawn is of the usual one
BASE_STYLES = ("fluent-emoji-flat", "fluent-emoji-flat", "fluent-emoji-flat", *STYLES)
BASE_SCENES = SMALL_SCENES.model_copy(
    update={"styles": BASE_STYLES, "concepts": tuple(vocabulary())}
)
# all that are vectors: a raster of 256 px is no target at 1024. Upscalers need no words, so they
# learn from every concept.
UPSCALER_SCENES = SceneConfig(
    styles=tuple(s for s in STYLES if s != "fluent-emoji-3d"), num_captions=1
)


def recipe(preset: str, stage: str, *, t5_width: int | None = None) -> Recipe:
    """The recipe of a preset's stage.

    t5_width: token width of the text encoder, if not the preset's. `paper` has networks, but no
    recipe: nobody has run one here.

    Raises:
        UserError: no such preset or stage.
    """
    if stage not in STAGES:
        raise UserError(f"unknown stage {stage!r}: choose from {', '.join(STAGES)}")
    if preset not in RECIPES:
        raise UserError(f"no recipe for preset {preset!r}: choose from {', '.join(RECIPES)}")
    made = RECIPES[preset](cast(StageName, stage))
    if t5_width is None:
        return made
    return made.changed({"network.roles": made.network.roles | {"t5": t5_width}})


def pictogram(stage: StageName) -> Recipe:
    """The default model, on two CPU cores."""
    if stage == "base":
        return Recipe(
            stage="base",
            preset="pictogram",
            network=PRESETS["pictogram"]["base"],
            sigma_data=0.55,
            noise=Noise(distribution=NoiseDistribution(mean=0.6, std=1.6)),
            data=DataConfig(
                scenes=BASE_SCENES, num_pictures=32_768, shown_masks=0.3, other_reference=0.9
            ),
            optimiser=Optimiser(learning_rate=7e-4),
            schedule=Schedule(
                num_images=4_000_000, batch_size=16, warmup_images=4_000, ema_images=100_000
            ),
            sampling=SAMPLING["base"],
        )
    return Recipe(
        stage=stage,
        preset="pictogram",
        network=PRESETS["pictogram"][stage],
        sigma_data=0.04,
        noise=Noise(distribution=NoiseDistribution(mean=-2.8, std=1.2)),
        data=DataConfig(
            scenes=UPSCALER_SCENES,
            num_pictures=8_192 if stage == "sr256" else 2_048,  # crops are slow to draw
            other_reference=0.9,
            max_augmentation=0.1,
        ),
        optimiser=Optimiser(learning_rate=7e-4),
        schedule=Schedule(num_images=20_000, batch_size=4, warmup_images=1_000, cooldown=0.4),
        sampling=SAMPLING[stage],
    )


def tiny(stage: StageName) -> Recipe:
    """A trial of a minute, to see that all works."""
    base = stage == "base"
    return Recipe(
        stage=stage,
        preset="tiny",
        network=PRESETS["tiny"][stage],
        sigma_data=0.55 if base else 0.12,
        noise=Noise(distribution=NoiseDistribution(mean=-0.5 if base else -2.3, std=1.3)),
        data=DataConfig(
            scenes=BASE_SCENES if base else UPSCALER_SCENES,
            num_pictures=64 if base else 32,
            shown_masks=0.3 if base else 0.0,
            max_augmentation=0.0 if base else 0.1,
        ),
        optimiser=Optimiser(learning_rate=1e-3),
        schedule=Schedule(
            num_images=256 if base else 64, batch_size=8 if base else 4, warmup_images=32
        ),
        sampling=SAMPLING[stage],
    )


RECIPES = {"pictogram": pictogram, "tiny": tiny}


def prior_recipe(denoiser: Recipe) -> Recipe | None:
    """The run that comes before a stage's: its prior's, if it has one that learns."""
    if denoiser.network.prior is None:
        return None
    num_images = max(1, 2 * denoiser.schedule.num_images // 5)
    return denoiser.changed({"part": "prior", "schedule.num_images": num_images})


def resolution(config: Recipe) -> int:
    """Side of the stage's pictures, in pixels."""
    return RESOLUTIONS[config.stage]
