"""From a stage of a model folder to a run, and from a run to a stage of a model folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from ediffi.core.errors import UserError
from ediffi.core.types import DataSource
from ediffi.data.collection import Collection
from ediffi.encoders import EncoderSpec
from ediffi.model import ModelConfig, ModelFolder, StageConfig, locate, save_model
from ediffi.model.card import write_card
from ediffi.networks import RESOLUTIONS, STAGES, named_as_now
from ediffi.train.config import Origin, Recipe
from ediffi.train.state import TrainState

CLIP_FOLDER = "clip"  # in the model's folder
CLIP_ROLES = ("clip_text", "clip_image")


def started_from(model: str, stage: str) -> tuple[dict[str, Tensor], Origin]:
    """The weights of a stage, float32, to start a run from, and what is recorded of them.

    Raises:
        UserError: no such model, or it has no such stage.
    """
    folder = ModelFolder(locate(model))
    known = {str(config.name): config for config in folder.config.stages}
    if stage not in known:
        raise UserError(f"{model} has no stage {stage!r}: choose from {', '.join(known)}")
    origin = Origin(
        model_hash=folder.hash,
        stage=known[stage].name,
        images_seen=known[stage].images_seen,
        data=folder.config.data,
    )
    weights = {name: tensor.float() for name, tensor in folder.weights(stage).items()}
    return named_as_now(weights, known[stage].network), origin


def export_stage(
    state: TrainState[Recipe],
    collection: Collection,
    encoders: dict[str, EncoderSpec],
    folder: Path,
    *,
    clip: Path | None = None,
) -> str:
    """Put a run's averaged weights into a model folder, new or old, as its stage of that name, with
    a model card.

    Returns the model's hash. Other stages in the folder stay as they are, and go on to listen to
    the roles they were trained with. clip: the folder of the run's CLIP, to come with the model.
    Every rank must call it; the first writes, for the others the hash is "".
    """
    config, weights = state.config, state.averaged()
    if not state.ranks.first:
        return ""
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
    digest = save_model(folder, model, {config.stage: weights}, encoders=carried)
    write_card(folder)
    return digest


def _as_trained(stage: StageConfig, model: ModelConfig) -> StageConfig:
    """A stage that says which roles it was trained with: before this was said, all of its model."""
    if stage.listens is not None:
        return stage
    return stage.model_copy(update={"listens": tuple(model.encoders)})


def stage_config(state: TrainState[Recipe]) -> StageConfig:
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
