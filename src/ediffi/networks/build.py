"""From a network's shape to a denoiser, and weights into it."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from ediffi.diffusion import EDM, Around
from ediffi.networks.config import EnlargerConfig, SketchConfig, UNetConfig
from ediffi.networks.enlarger import Bicubic, Enlarger
from ediffi.networks.sketched import SketchedUNet, SketchPrior
from ediffi.networks.unet import UNet


def build_denoiser(config: UNetConfig, sigma_data: float) -> EDM | Around:
    """The denoiser of a stage, with fresh weights: a U-Net in EDM preconditioning, around what its
    prior predicts if it has one."""
    if isinstance(config.prior, SketchConfig):
        return Around(EDM(SketchedUNet(config), sigma_data), SketchPrior(config))
    edm = EDM(UNet(config), sigma_data)
    return edm if config.scale == 1 else Around(edm, build_prior(config))


def build_prior(config: UNetConfig) -> nn.Module:
    """What an upscaler works around, with fresh weights."""
    if not isinstance(config.prior, EnlargerConfig):
        return Bicubic()
    return Enlarger(config.prior, scale=config.scale, embedding_width=config.embedding_width)


def named_as_now(weights: Mapping[str, Tensor], config: UNetConfig) -> dict[str, Tensor]:
    """A denoiser's state dict from one that may be of version 0.1, which kept a U-Net's names."""
    if any(name.startswith(("network.", "denoise.")) for name in weights):
        return dict(weights)
    sketched, upscaler = isinstance(config.prior, SketchConfig), config.scale > 1
    network = "denoise.network." if sketched or upscaler else "network."
    shared = "conditioner." if sketched else "augmentation."  # now each part has its own
    out = {}
    for name, tensor in weights.items():
        if name.startswith("enlarger.to_entrance."):
            out[network + name.replace("enlarger.to_entrance", "hint")] = tensor
        elif name.startswith("enlarger."):
            out["prior." + name.removeprefix("enlarger.")] = tensor
        elif name.startswith(("sketch.", "retouch.")):
            out["prior." + name] = tensor
        else:
            out[network + name] = tensor
        if config.prior is not None and name.startswith(shared):
            out["prior." + name] = tensor
    return out
