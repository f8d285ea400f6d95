"""The U-Net of every stage, its presets, and `build_denoiser`, which wraps it in EDM."""

from __future__ import annotations

from ediffi.diffusion import EDM, ResidualEDM
from ediffi.networks.context import Context
from ediffi.networks.enlarger import enlarger_loss
from ediffi.networks.presets import PRESETS, RESOLUTIONS, STAGES
from ediffi.networks.sketch import LAYERS, MARGIN, drawing_loss, layout_loss, sketch_loss
from ediffi.networks.unet import Level, UNet, UNetConfig

__all__ = [
    "LAYERS",
    "MARGIN",
    "PRESETS",
    "RESOLUTIONS",
    "STAGES",
    "Context",
    "Level",
    "UNet",
    "UNetConfig",
    "build_denoiser",
    "drawing_loss",
    "enlarger_loss",
    "layout_loss",
    "sketch_loss",
]


def build_denoiser(config: UNetConfig, sigma_data: float) -> EDM:
    """The denoiser of a stage, with fresh weights: ResidualEDM where there is something to start
    from, a sketch or a low resolution, else EDM."""
    kind = ResidualEDM if config.scale > 1 or config.sketch_depth else EDM
    return kind(UNet(config), sigma_data)
