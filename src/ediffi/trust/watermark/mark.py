"""A marker that is used: put a mark into a picture, and look for it in a picture that may have been
cropped, scaled or mirrored since."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ediffi.core.errors import UserError
from ediffi.core.files import write_atomically
from ediffi.core.pixels import from_uint8, to_uint8
from ediffi.trust.watermark.carriers import CELLS, FINE, SIDE, Carriers, carriers
from ediffi.trust.watermark.code import CHECK, TRIES, Payload, decode, encode
from ediffi.trust.watermark.network import Marker

PUBLIC_KEY = b"ediffi"  # anybody can look for a mark made with it
CANVASES = (1024, 512, 256, 2048)  # sides a cropped picture may have had
SCALES = tuple(0.98**n for n in range(0, 36))  # shares of the canvas that a crop may show
SMALLEST = 64  # pixels a side of a picture that is worth a look
LARGEST = 1024  # to which larger ones are reduced, once
PLACES = 3  # best places of a scale that are read
FLOOR = 1.6  # energy of a place that is worth reading; about 1 without a mark


@dataclass(frozen=True)
class MarkFound:
    """payload: what it says; chance: how likely an unmarked picture says anything at all;
    share: of the marked canvas that is seen; mirrored: whether the picture was; wrong: of its 128
    bits, those that were read wrong and mended."""

    payload: Payload
    chance: float
    share: float
    mirrored: bool
    wrong: int


class Watermark:
    """A trained marker. strength: of the mark, as a share of what it was trained with."""

    def __init__(self, marker: Marker, strength: float = 1.0) -> None:
        self.marker, self.strength = marker.eval(), strength

    @classmethod
    def load(cls, path: Path) -> Watermark:
        """Raises UserError: no such weights."""
        try:
            with safe_open(path, "pt") as file:
                facts = file.metadata() or {}
                state = {name: file.get_tensor(name).float() for name in file.keys()}
            marker = Marker(int(facts["width"]))
            marker.load_state_dict(state)
        except (OSError, SafetensorError, KeyError, ValueError, RuntimeError) as error:
            raise UserError(f"{path} holds no watermark's weights: {error}") from error
        return cls(marker, float(facts["strength"]))

    def save(self, path: Path, *, width: int) -> None:
        """Raises UserError: it cannot be written."""
        state = {name: t.detach().half() for name, t in self.marker.state_dict().items()}
        facts = {"width": str(width), "strength": str(self.strength)}
        write_atomically(path, safetensors.torch.save(state, facts))

    @torch.no_grad()
    def embed(
        self, pixels: NDArray[np.uint8], payload: Payload, key: bytes = PUBLIC_KEY
    ) -> NDArray[np.uint8]:
        """(H, W, 3) with the mark in it; the same for the same picture, payload and key."""
        clean = from_uint8([pixels])
        small = F.interpolate(clean, (SIDE, SIDE), mode="bilinear", antialias=True)
        chips = carriers(key).spread(torch.from_numpy(encode(payload, key)))
        cells = self.marker.embedder(small, chips[None])
        return to_uint8(self.marker.embedder.add(clean, cells, self.strength))[0]

    @torch.no_grad()
    def find(
        self, pixels: NDArray[np.uint8], key: bytes = PUBLIC_KEY, *, thorough: bool = True
    ) -> MarkFound | None:
        """The mark of a picture (H, W, 3), if it has one that was made with this key.

        thorough: look for crops of pictures of any size as well, which takes seconds.
        """
        if min(pixels.shape[:2]) < SMALLEST:
            return None
        picture, code, tries = from_uint8([_reduced(pixels)]), carriers(key), 0
        for share, mirrored in _hypotheses(pixels.shape[1], pixels.shape[0], thorough):
            planes = self._planes(picture.flip(3) if mirrored else picture, share)
            for soft in _readings(planes, code, search=share < 1):
                tries += len(TRIES)
                payload = decode(soft, key)
                if payload is not None:
                    chance = min(1.0, tries / 2 ** (8 * CHECK))
                    wrong = int(((soft > 0) != (encode(payload, key) > 0)).sum())
                    return MarkFound(payload, chance, share, mirrored, wrong)
        return None

    def _planes(self, picture: Tensor, share: float) -> Tensor:
        """(3, h, w) of the mark in a picture that shows this share of the canvas's longer side."""
        size = max(8, 2 * round(SIDE * share / 2))
        height, width = picture.shape[2:]
        if share == 1:
            height = width = size
        else:
            height, width = (
                max(8, 2 * round(size * side / max(height, width) / 2)) for side in (height, width)
            )
        small = F.interpolate(picture, (height, width), mode="bilinear", antialias=True)
        planes: Tensor = self.marker.extractor(small)[0]
        return planes


def _hypotheses(width: int, height: int, thorough: bool) -> Iterator[tuple[float, bool]]:
    """Shares of the canvas that may be seen, and whether mirrored; the likely ones first."""
    yield 1.0, False
    yield 1.0, True
    longer = max(width, height)
    yield from ((longer / side, False) for side in CANVASES if 0.3 <= longer / side < 1)
    if thorough:
        yield from ((share, False) for share in SCALES[1:])


def _readings(planes: Tensor, code: Carriers, *, search: bool) -> Iterator[NDArray[np.float32]]:
    """(128,) soft bits of the planes where they may lie on the canvas, the best place first."""
    fine = CELLS * FINE
    if not search:
        yield code.despread(F.avg_pool2d(planes, FINE)).numpy()
        return
    if max(planes.shape[1:]) > fine:
        return
    placed = F.pad(planes, (0, fine - planes.shape[2], 0, fine - planes.shape[1]))
    spectrum = torch.fft.rfft2(placed)
    # bits at every shift of the canvas against the picture
    bits = torch.fft.irfft2((_spectra(code) * spectrum).sum(1), s=(fine, fine))
    energy = bits.square().mean(0)
    best = energy.flatten().topk(PLACES)
    mean = float(energy.mean())
    for value, place in zip(best.values.tolist(), best.indices.tolist(), strict=True):
        if value < FLOOR * mean:
            return
        yield bits[:, place // fine, place % fine].numpy()


def _reduced(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A picture whose longer side is at most LARGEST."""
    longer = max(pixels.shape[:2])
    if longer <= LARGEST:
        return pixels
    height, width = (max(1, round(side * LARGEST / longer)) for side in pixels.shape[:2])
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BOX))


@lru_cache(2)
def _spectra(code: Carriers) -> Tensor:
    return code.spectra()


@lru_cache(1)
def shipped_watermark() -> Watermark | None:
    """The one that ships with ediffi, if there is one."""
    path = Path(str(files("ediffi"))) / "models" / "watermark.safetensors"
    return Watermark.load(path) if path.is_file() else None
