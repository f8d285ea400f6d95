"""From a training run to a stage of a model folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ediffi.core.types import DataSource
from ediffi.data.collection import Collection
from ediffi.encoders import EncoderSpec
from ediffi.model import ModelConfig, ModelFolder, StageConfig, save_model
from ediffi.networks import RESOLUTIONS, STAGES
from ediffi.train.state import TrainState

CLIP_FOLDER = "clip"  # in the model's folder
CLIP_ROLES = ("clip_text", "clip_image")


def export_stage(
    state: TrainState,
    collection: Collection,
    encoders: dict[str, EncoderSpec],
    folder: Path,
    *,
    clip: Path | None = None,
) -> str:
    """Put a run's averaged weights into a model folder, new or old, as its stage of that name.

    Returns the model's hash. Other stages in the folder stay as they are, and go on to listen to
    the roles they were trained with. clip: the folder of the run's CLIP, to come with the model.
    """
    config = state.config
    before = ModelFolder(folder).config if (folder / "manifest.json").is_file() else None
    stages = {stage.name: _as_trained(stage, before) for stage in before.stages} if before else {}
    origin = config.origin
    stages[config.stage] = stage_config(state).model_copy(update={"listens": tuple(encoders)})
    if clip is not None:
        inside = {"source": CLIP_FOLDER}
        encoders = {
            r: s.model_copy(update=inside) if r in CLIP_ROLES else s for r, s in encoders.items()
        }
    words = collection.taught() if config.stage == "base" or before is None else {}
    kept = before.model_dump() if before else {}
    sources = [*(before.data if before else ()), *(origin.data if origin else ())]
    model = ModelConfig.model_validate(
        kept
        | {
            "name": folder.name,
            "stages": tuple(stages[name] for name in STAGES if name in stages),
            "encoders": encoders,
            "data": merged([*sources, *collection.sources()]),
        }
        | words
    )
    carried = {} if clip is None else {CLIP_FOLDER: clip}
    return save_model(folder, model, {config.stage: state.average.state_dict()}, encoders=carried)


def _as_trained(stage: StageConfig, model: ModelConfig) -> StageConfig:
    """A stage that says which roles it was trained with: before this was said, all of its model."""
    if stage.listens is not None:
        return stage
    return stage.model_copy(update={"listens": tuple(model.encoders)})


def stage_config(state: TrainState) -> StageConfig:
    """The stage that a run has made."""
    config, origin = state.config, state.config.origin
    return StageConfig(
        name=config.stage,
        resolution=RESOLUTIONS[config.stage],
        network=config.network,
        sigma_data=config.sigma_data,
        noise=config.noise.distribution,
        sampling=config.sampling,
        images_seen=state.images + (origin.images_seen if origin else 0),
    )


def merged(sources: Sequence[DataSource]) -> tuple[DataSource, ...]:
    """Every source once, with the largest number of pictures that any stage has used of it."""
    largest = {s.source: s for s in sorted(sources, key=lambda s: s.pictures)}
    return tuple(largest[name] for name in sorted(largest))
