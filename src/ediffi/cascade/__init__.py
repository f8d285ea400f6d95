"""Stages, and the cascade of them that turns text into large pictures."""

from ediffi.cascade.cascade import Cascade
from ediffi.cascade.config import DataSource, ModelConfig, Sampling, StageConfig
from ediffi.cascade.folder import ModelFolder, locate, save_model
from ediffi.cascade.presets import FROM_SKETCH, SAMPLING
from ediffi.cascade.stage import Stage

__all__ = [
    "FROM_SKETCH",
    "SAMPLING",
    "Cascade",
    "DataSource",
    "ModelConfig",
    "ModelFolder",
    "Sampling",
    "Stage",
    "StageConfig",
    "locate",
    "save_model",
]
