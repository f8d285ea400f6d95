"""Which picture fills the `clip_image` role in training, and its embedding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image
from torch import Tensor

from ediffi.core.types import Tokens
from ediffi.data.collection import Collection
from ediffi.diffusion import stable_hash
from ediffi.encoders.cache import Halves, pad
from ediffi.encoders.clip import ClipImageEncoder
from ediffi.train.config import TrainConfig

TRIES = 200  # random pictures looked at for one of the same style


class References:
    """The reference pictures of a run.

    The paper shows the network the embedding of the very picture that it is to draw. Then the
    embedding tells of content as well as of style, and a reference of a pizza draws a pizza. Here,
    where there is text beside it, it is `other_reference` of the time that of another picture of
    the same style: style is then all it can tell of, and content has to come from the text; one of
    a single thing, if there is any, as large as in the references that people give. Where no text
    is heard it is the picture's own, always, so that a picture alone can be varied.

    encoder: a `ClipImageEncoder`, or embeddings stored by pictures' names.
    """

    def __init__(self, config: TrainConfig, collection: Collection, encoder: Any) -> None:
        self.config, self.collection, self.encoder = config, collection, encoder
        self._styles: dict[int, str | None] = {}
        self._alone: dict[int, bool] = {}
        self._kept: dict[int, Halves] = {}

    def choose(
        self, numbers: Sequence[int], seeds: Sequence[int], keep: Mapping[str, Tensor]
    ) -> list[int]:
        """The picture to show for each of these. keep: the roles that are heard, (B,) bool each.

        Where none is shown, it is one that another is shown anyway: it costs nothing to encode.
        """
        share = self.config.other_reference
        seen, text = keep["clip_image"].tolist(), (keep["t5"] | keep["clip_text"]).tolist()
        out = []
        for i, (number, seed) in enumerate(zip(numbers, seeds, strict=True)):
            other = seen[i] and text[i] and stable_hash("other", seed) % 2**24 / 2**24 < share
            out.append(self._alike(number, seed) if other else number)
        anyone = out[seen.index(True)] if any(seen) else 0
        return [n if is_seen else anyone for n, is_seen in zip(out, seen, strict=True)]

    def _alike(self, number: int, seed: int) -> int:
        """Another picture of the same style, of one thing where that is known; the same one if
        there seems to be no other."""
        style, second = self.style(number), number
        for attempt in range(TRIES if style is not None else 0):
            other = stable_hash("reference", seed, attempt) % self.config.num_scenes
            if other != number and self.style(other) == style:
                if self._shows_one(other):
                    return other
                second = other if second == number else second
        return second

    def _shows_one(self, number: int) -> bool:
        if number not in self._alone:
            self._alone[number] = self.collection.alone(number)
        return self._alone[number]

    def style(self, number: int) -> str | None:
        """Of a picture of the collection, looked up once."""
        if number not in self._styles:
            self._styles[number] = self.collection.style(number)
        return self._styles[number]

    def encode(self, numbers: Sequence[int]) -> Tokens:
        """The embeddings of these pictures, float32; each is computed once, kept in float16."""
        if not isinstance(self.encoder, ClipImageEncoder):
            stored: Tokens = self.encoder.encode([self.collection.name(n) for n in numbers])
            return stored
        for number in numbers:
            if number not in self._kept:  # alone: its numbers do not depend on its batch
                picture = Image.fromarray(self.collection.pixels(number, self.encoder.side))
                tokens = self.encoder.encode([picture])
                self._kept[number] = tokens.states[0].half(), tokens.pooled[0].half()
        return pad([self._kept[n] for n in numbers])
