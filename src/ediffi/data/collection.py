"""What a stage learns from: numbered pictures with captions, and where their phrases are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ediffi.core.types import Box, DataSource, Pixels


@dataclass(frozen=True)
class Phrase:
    """caption[span[0]:span[1]] and what it names in the picture: mask (side, side) in [0, 1].

    thing: one that stands somewhere, not a part of the background; boxes: those of what it names
    that no phrase before it has named, "three cats" three.
    """

    span: tuple[int, int]
    mask: NDArray[np.float32]
    thing: bool
    boxes: tuple[Box, ...] = ()


class Collection(Protocol):
    """Pictures by number; all of it a pure function of the number and of what `identity` says."""

    @property
    def identity(self) -> list[Any]:
        """JSON values that are equal only for the same pictures and captions."""

    def captions(self, index: int) -> Sequence[str]:
        """What is said of picture `index`, at least one caption."""

    def pixels(self, index: int, size: int, *, crop: int | None = None, seed: int = 0) -> Pixels:
        """Picture `index`, (size, size, 3) uint8; with `crop` a (crop, crop, 3) window of it, at a
        place that depends on the seed."""

    def name(self, index: int) -> str:
        """A name that no other picture of any collection has."""

    def style(self, index: int) -> str | None:
        """The drawing style of picture `index`, None where nobody knows."""

    def alone(self, index: int) -> bool:
        """Whether picture `index` is known to show one thing and no more."""

    def sources(self) -> tuple[DataSource, ...]:
        """Where the pictures are from, for the model's record."""

    def taught(self) -> dict[str, Any]:
        """What a base that learned them may claim: `ModelConfig`'s vocabulary, styles, looks,
        spread, grounds, words."""


@runtime_checkable
class Annotated(Collection, Protocol):
    """A collection that knows which part of a picture each phrase of a caption names."""

    def phrases(self, index: int, caption: int, side: int) -> Sequence[Phrase]:
        """What a caption of picture `index` names, things first, in its order, with masks of
        (side, side)."""


def phrases(collection: Collection, index: int, caption: int, side: int) -> Sequence[Phrase]:
    """See `Annotated.phrases`; empty where nobody knows."""
    if isinstance(collection, Annotated):
        return collection.phrases(index, caption, side)
    return ()
