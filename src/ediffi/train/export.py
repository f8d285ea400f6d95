"""From a training run to a stage of a model folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ediffi.cascade import (
    SAMPLING,
    DataSource,
    ModelConfig,
    ModelFolder,
    StageConfig,
    save_model,
)
from ediffi.cascade.vocabulary import words_of
from ediffi.conditioning import EncoderSpec
from ediffi.data.composer import Composer
from ediffi.networks import RESOLUTIONS, STAGES
from ediffi.train.state import TrainState


def export_stage(
    state: TrainState, composer: Composer, encoders: dict[str, EncoderSpec], folder: Path
) -> str:
    """Put a run's averaged weights into a model folder, new or old, as its stage of that name.

    Returns the model's hash. Other stages in the folder stay as they are.
    """
    config = state.config
    before = ModelFolder(folder).config if (folder / "manifest.json").is_file() else None
    stages = {stage.name: stage for stage in before.stages} if before else {}
    origin = config.origin
    stages[config.stage] = stage_config(state)
    words = words_of_model(composer) if config.stage == "base" or before is None else {}
    kept = before.model_dump() if before else {}
    sources = [*(before.data if before else ()), *(origin.data if origin else ())]
    model = ModelConfig.model_validate(
        kept
        | {
            "name": folder.name,
            "stages": tuple(stages[name] for name in STAGES if name in stages),
            "encoders": encoders,
            "data": merged([*sources, *data_sources(composer)]),
        }
        | words
    )
    return save_model(folder, model, {config.stage: state.average})


def stage_config(state: TrainState) -> StageConfig:
    """The stage that a run has made, sampled as the presets say."""
    config, origin = state.config, state.config.origin
    return StageConfig(
        name=config.stage,
        resolution=RESOLUTIONS[config.stage],
        network=config.network,
        sigma_data=config.sigma_data,
        noise=config.noise,
        sampling=SAMPLING[config.stage],
        images_seen=state.images + (origin.images_seen if origin else 0),
    )


def words_of_model(composer: Composer) -> dict[str, Any]:
    """What the base was taught to draw, as `ModelConfig` names it."""
    drawn = sorted({cell.hexcode for cell in composer.cells})
    return {
        "vocabulary": {composer.words[h][0]: composer.words[h][1:] for h in drawn},
        "styles": composer.config.styles,
        "words": caption_words(composer),
    }


def merged(sources: Sequence[DataSource]) -> tuple[DataSource, ...]:
    """Every source once, with the largest number of pictures that any stage has used of it."""
    largest = {s.source: s for s in sorted(sources, key=lambda s: s.pictures)}
    return tuple(largest[name] for name in sorted(largest))


def caption_words(composer: Composer, num_scenes: int = 4096) -> tuple[str, ...]:
    """The words that captions of training scenes are made of."""
    captions = (composer.scene(index).caption for index in range(num_scenes))
    return tuple(sorted({word for caption in captions for word in words_of(caption)}))


def data_sources(composer: Composer) -> tuple[DataSource, ...]:
    """The picture sets that a composer draws from, with the number of pictures it may use."""
    counts = Counter(cell.package for cell in composer.cells)
    return tuple(
        DataSource(source=f"{p.name} {p.version}", licence=p.licence, pictures=count)
        for p, count in sorted(counts.items(), key=lambda pair: pair[0].name)
    )
