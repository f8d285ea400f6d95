"""From a training run to a stage of a model folder."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

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
    stages = {}
    if (folder / "manifest.json").is_file():
        stages = {stage.name: stage for stage in ModelFolder(folder).config.stages}
    stages[config.stage] = StageConfig(
        name=config.stage,
        resolution=RESOLUTIONS[config.stage],
        network=config.network,
        sigma_data=config.sigma_data,
        noise=config.noise,
        sampling=SAMPLING[config.stage],
        images_seen=state.images,
    )
    drawn = sorted({cell.hexcode for cell in composer.cells})
    vocabulary = {composer.words[h][0]: composer.words[h][1:] for h in drawn}
    model = ModelConfig(
        name=folder.name,
        stages=tuple(stages[name] for name in STAGES if name in stages),
        encoders=encoders,
        data=data_sources(composer),
        vocabulary=vocabulary,
        styles=composer.config.styles,
        words=caption_words(composer),
    )
    return save_model(folder, model, {config.stage: state.average})


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
