"""Raw networks F(x, sigma, cond), their presets, and `build_denoiser`, which makes denoisers."""

from __future__ import annotations

from ediffi.networks.build import build_denoiser, build_prior, named_as_now
from ediffi.networks.config import EnlargerConfig, Level, UNetConfig
from ediffi.networks.presets import PRESETS, RESOLUTIONS, STAGES
from ediffi.networks.unet import UNet

__all__ = [
    "PRESETS",
    "RESOLUTIONS",
    "STAGES",
    "EnlargerConfig",
    "Level",
    "UNet",
    "UNetConfig",
    "build_denoiser",
    "build_prior",
    "named_as_now",
]
