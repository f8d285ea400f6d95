"""What keeps a picture out of a collection: its size, its shape, a twin, or captions that lie."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from ediffi.core.errors import UserError
from ediffi.data.readers.record import Unusable
from ediffi.encoders import EncoderSpec
from ediffi.encoders.clip import ClipImageEncoder, ClipTextEncoder

CELLS = 8  # a side of the small picture that hashes are made of


class Filters(BaseModel):
    """Which pictures are kept.

    min_size: of the shorter side, pixels; max_aspect: longer side over shorter side;
    duplicates: what is dropped, pictures that look like an earlier one (near), files of the same
    bytes (exact), or nothing (keep); min_score: of picture and best caption by a CLIP, a cosine,
    None for no such filter.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_size: int = Field(64, ge=1)
    max_aspect: float = Field(3.0, ge=1)
    duplicates: Literal["near", "exact", "keep"] = "near"
    min_score: float | None = None

    def check_shape(self, width: int, height: int) -> None:
        """Raises Unusable: too small or too long."""
        if min(width, height) < self.min_size:
            detail = f"{width}x{height}, the shorter side must be {self.min_size} or more"
            raise Unusable("too small", detail)
        if max(width, height) > self.max_aspect * min(width, height):
            raise Unusable("too long", f"{width}x{height}, sides differ by over {self.max_aspect}")


class Twins:
    """Finds pictures that were there before: the same file, or the same picture resized or saved
    anew.

    Two pictures look alike if their difference hashes agree in all but 4 of 128 bits, and their
    small versions in colour. A hash says where an 8x8 picture gets lighter, to the right (64 bits)
    and downwards (64); that says nothing of flat pictures, hence the colours. Every picture is
    compared with all before it; 0.3 kB are kept of each.
    """

    BITS = 4
    COLOUR = 4.0  # levels of 255 that small versions may differ by, on average

    def __init__(self, kind: Literal["near", "exact", "keep"]) -> None:
        self.kind = kind
        self._files: dict[bytes, str] = {}
        self._names: list[str] = []
        self._hashes = np.zeros((1024, 2), np.uint64)
        self._colours = np.zeros((1024, CELLS, CELLS, 3), np.uint8)

    def check(self, data: bytes, picture: Image.Image) -> None:
        """Raises Unusable: a picture that was remembered is the same."""
        first = self._files.get(sha256(data).digest()) if self.kind != "keep" else None
        if first is not None:
            raise Unusable("duplicate file", f"the same bytes as {first}")
        if self.kind == "near":
            count = len(self._names)
            differing = np.bitwise_count(self._hashes[:count] ^ difference_hash(picture)).sum(1)
            colours = small(picture).astype(int)
            for number in np.flatnonzero(differing <= self.BITS):
                if np.abs(self._colours[number] - colours).mean() <= self.COLOUR:
                    raise Unusable("duplicate picture", f"looks like {self._names[number]}")

    def remember(self, data: bytes, picture: Image.Image, name: str) -> None:
        """Later pictures are compared with this one."""
        if self.kind != "keep":
            self._files[sha256(data).digest()] = name
        if self.kind == "near":
            count = len(self._names)
            if count == len(self._hashes):
                self._hashes = np.concatenate([self._hashes, np.zeros_like(self._hashes)])
                self._colours = np.concatenate([self._colours, np.zeros_like(self._colours)])
            self._hashes[count], self._colours[count] = difference_hash(picture), small(picture)
            self._names.append(name)


def difference_hash(picture: Image.Image) -> NDArray[np.uint64]:
    """(2,) uint64: where a grey 9x8 version gets lighter to the right, and an 8x9 one downwards."""
    grey = picture.convert("L")
    across = np.asarray(grey.resize((CELLS + 1, CELLS), Image.Resampling.BOX))
    down = np.asarray(grey.resize((CELLS, CELLS + 1), Image.Resampling.BOX))
    bits = [across[:, 1:] > across[:, :-1], down[1:] > down[:-1]]
    return np.array([np.packbits(b).view(np.uint64)[0] for b in bits])


def small(picture: Image.Image) -> NDArray[np.uint8]:
    """(8, 8, 3): the picture's colours."""
    return np.asarray(picture.resize((CELLS, CELLS), Image.Resampling.BOX))


class ClipScore:
    """How well a picture and a caption fit: the cosine of their embeddings by a CLIP."""

    def __init__(self, folder: Path) -> None:
        """Raises UserError: the folder holds no CLIP with both towers."""
        source = str(folder)
        self.text = ClipTextEncoder.load(EncoderSpec(kind="clip_text", source=source))
        self.image = ClipImageEncoder.load(EncoderSpec(kind="clip_image", source=source))

    def best(self, picture: Image.Image, captions: tuple[str, ...]) -> float:
        """The largest score of any of the captions, in [-1, 1]."""
        texts = self.text.encode(captions).pooled
        seen = self.image.encode([picture]).pooled
        if texts.shape[1] != seen.shape[1]:
            raise UserError(f"{self.text.name} has no joint space of text and pictures")
        return float((texts @ seen[0] / (texts.norm(dim=1) * seen[0].norm())).max())
