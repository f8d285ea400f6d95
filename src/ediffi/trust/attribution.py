"""Which training pictures a picture is nearest to, by the embeddings of a CLIP's picture tower.

Near is not the same as cause: a model may draw what it learnt from pictures that look otherwise,
and pictures that look alike may never have been seen. `studies.influence` measures how far
influence follows from nearness.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import safetensors.torch
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ediffi.core.files import make_folder, write_atomically
from ediffi.encoders.clip import ClipImageEncoder

VERSION = 1  # of what an index holds: another one is built anew
BATCH = 32
# What a picture is asked for by: x0, y0, x1, y1 as shares of its sides.
PARTS = {
    "all": (0.0, 0.0, 1.0, 1.0),
    "top left": (0.0, 0.0, 0.6, 0.6),
    "top right": (0.4, 0.0, 1.0, 0.6),
    "bottom left": (0.0, 0.4, 0.6, 1.0),
    "bottom right": (0.4, 0.4, 1.0, 1.0),
    "middle": (0.2, 0.2, 0.8, 0.8),
}


class Known(Protocol):
    """What a collection says of a picture."""

    @property
    def name(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def licence(self) -> str: ...
    @property
    def attribution(self) -> str: ...
    @property
    def captions(self) -> tuple[str, ...]: ...


class Pictures(Protocol):
    """The training pictures by number; fingerprint: equal only for the same ones."""

    fingerprint: str

    def __len__(self) -> int: ...
    def entry(self, number: int) -> Known: ...
    def picture(self, number: int) -> Image.Image: ...


@dataclass(frozen=True)
class Near:
    """A training picture near to the one asked for.

    number: in the collection; score: cosine of the embeddings, in [-1, 1]; part: of `PARTS`, that
    of the picture which it is nearest to.
    """

    number: int
    score: float
    part: str
    name: str
    caption: str
    source: str
    licence: str
    attribution: str


@dataclass(frozen=True)
class Index:
    """Embeddings (N, D) of length 1, and what is known of each picture."""

    vectors: Tensor
    rows: Sequence[dict[str, str]]

    def nearest(self, picture: Image.Image, encoder: ClipImageEncoder, num: int) -> list[Near]:
        """The `num` nearest training pictures, the nearest first.

        The picture is asked for whole and by five overlapping parts, so that one of several things
        in it is found as well: the nearest of each part are there, if `num` allows, and then
        whatever is nearest to any of them.
        """
        names = list(PARTS)
        width, height = picture.size
        crops = [
            picture.crop((round(a * width), round(b * height), round(c * width), round(d * height)))
            for a, b, c, d in PARTS.values()
        ]
        asked = F.normalize(encoder.encode(crops).pooled, dim=1)
        scores = self.vectors.float() @ asked.T  # (N, parts)
        best, which = scores.max(1)
        of_parts = sorted(scores.argmax(0).tolist(), key=lambda n: -float(best[n]))
        order = dict.fromkeys([*of_parts, *best.argsort(descending=True).tolist()])
        found = sorted(list(order)[:num], key=lambda n: -float(best[n]))
        return [Near(n, float(best[n]), names[int(which[n])], **self.rows[n]) for n in found]


def open_index(
    pictures: Pictures,
    encoder: ClipImageEncoder,
    encoder_hash: str,
    folder: Path,
    on_done: Callable[[int], None] = lambda count: None,
) -> Index:
    """The index of these pictures, from `folder` or built and kept there.

    encoder_hash: of the encoder's weights; on_done: told how many pictures are embedded.

    Raises:
        UserError: a picture cannot be read, or the index cannot be written.
    """
    facts = json.dumps([VERSION, pictures.fingerprint, len(pictures), encoder_hash])
    path = folder / f"{hashlib.sha256(facts.encode()).hexdigest()[:24]}.safetensors"
    try:
        return _read(path)
    except (OSError, SafetensorError, KeyError, ValueError):  # not there, or damaged
        index = _build(pictures, encoder, on_done)
    make_folder(folder)
    metadata = {"rows": json.dumps(index.rows, ensure_ascii=False)}
    data = safetensors.torch.save({"vectors": index.vectors}, metadata=metadata)
    write_atomically(path, data)
    return index


def _read(path: Path) -> Index:
    with safe_open(path, "pt") as file:
        return Index(file.get_tensor("vectors"), json.loads(file.metadata()["rows"]))


def _build(pictures: Pictures, encoder: ClipImageEncoder, on_done: Callable[[int], None]) -> Index:
    vectors, rows = [], []
    for start in range(0, len(pictures), BATCH):
        numbers = range(start, min(len(pictures), start + BATCH))
        images = [pictures.picture(number) for number in numbers]
        vectors.append(F.normalize(encoder.encode(images).pooled, dim=1).half())
        for number in numbers:
            known = pictures.entry(number)
            rows.append(
                {
                    "name": known.name,
                    "caption": known.captions[0] if known.captions else "",
                    "source": known.source,
                    "licence": known.licence,
                    "attribution": known.attribution,
                }
            )
        on_done(numbers.stop)
    return Index(torch.cat(vectors), rows)


def as_json(near: Sequence[Near]) -> list[dict[str, object]]:
    """For programs."""
    return [asdict(one) for one in near]
