"""Stages, and the cascade of them that turns text into large pictures."""

from ediffi.model.cascade import Cascade
from ediffi.model.config import ModelConfig, Sampling, StageConfig
from ediffi.model.devices import pick_device
from ediffi.model.folder import ModelFolder, locate, save_model
from ediffi.model.options import stages_to_run
from ediffi.model.plan import Plan
from ediffi.model.presets import SAMPLING
from ediffi.model.request import Request
from ediffi.model.stage import Stage

__all__ = [
    "SAMPLING",
    "Cascade",
    "ModelConfig",
    "ModelFolder",
    "Plan",
    "Request",
    "Sampling",
    "Stage",
    "StageConfig",
    "locate",
    "pick_device",
    "save_model",
    "stages_to_run",
]
