"""Stages, and the cascade of them that turns text into large pictures."""

from ediffi.model.cascade import Cascade
from ediffi.model.config import ModelConfig, Sampling, StageConfig
from ediffi.model.folder import ModelFolder, locate, save_model
from ediffi.model.presets import FROM_SKETCH, SAMPLING
from ediffi.model.stage import Stage

__all__ = [
    "FROM_SKETCH",
    "SAMPLING",
    "Cascade",
    "ModelConfig",
    "ModelFolder",
    "Sampling",
    "Stage",
    "StageConfig",
    "locate",
    "save_model",
]
