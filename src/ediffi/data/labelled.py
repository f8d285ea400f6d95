"""What a model is measured on: numbered pictures with a caption and labels, and parts of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from ediffi.core.errors import UserError
from ediffi.core.types import Pixels
from ediffi.data.shard_set import ShardSet

MIN_PICTURES = 32  # a quarter each for prompts, reference, fitting and testing judges


class Labels(NamedTuple):
    """What is known of a picture: the only thing it shows and its style, where they are known, and
    the drawing or shot it is of (pictures of the same one are not independent)."""

    concept: str | None = None
    style: str | None = None
    group: str = ""


class Labelled(Protocol):
    """Pictures by number, a pure function of the number and of `facts` (JSON)."""

    @property
    def facts(self) -> Any: ...

    def caption(self, number: int) -> str: ...

    def labels(self, number: int) -> Labels: ...

    def picture(self, number: int, side: int) -> Pixels:
        """(H, W, 3) uint8, of about `side` pixels."""


@dataclass(frozen=True)
class Subset:
    """Some pictures of a source. rows: their numbers there."""

    source: Labelled
    rows: Sequence[int]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def captions(self) -> list[str]:
        return [self.source.caption(row) for row in self.rows]

    @property
    def labels(self) -> list[Labels]:
        return [self.source.labels(row) for row in self.rows]

    def first(self, num: int) -> Subset:
        """The first `num`.

        Raises:
            UserError: there are fewer.
        """
        if num > len(self.rows):
            raise UserError(f"{num:,} pictures are asked for, at most {len(self.rows):,} are there")
        return replace(self, rows=self.rows[:num])

    def pictures(self, places: Sequence[int], side: int) -> list[Pixels]:
        """Those at these places of `rows`, see `Labelled.picture`."""
        return [self.source.picture(self.rows[place], side) for place in places]


@dataclass(frozen=True)
class Lessons:
    """What judges are fitted on and tested with: pictures with labels, and with captions."""

    labelled: Subset
    labelled_test: Subset
    captioned: Subset
    captioned_test: Subset


class DataSet(Protocol):
    """What a model is asked to draw, and the real pictures to compare with.

    prompts: their captions are asked for; reference: other pictures of the same kind; halves:
    pictures of disjoint drawings, for the floor of a distance, None where there are none; lessons:
    for the judges; training: all that the model learned from, None where that is not known.
    """

    @property
    def prompts(self) -> Subset: ...
    @property
    def reference(self) -> Subset: ...
    @property
    def halves(self) -> tuple[Subset, Subset] | None: ...
    @property
    def lessons(self) -> Lessons: ...
    @property
    def training(self) -> Subset | None: ...

    def facts(self) -> dict[str, Any]:
        """For the protocol."""

    def name_of(self, concept: str) -> str:
        """What a concept is called."""


class ShardPictures:
    """The pictures of shards, each with its first caption. What they show is known of scenes of
    the pictogram grid alone."""

    def __init__(self, shards: ShardSet) -> None:
        self.shards = shards
        self.facts = shards.identity

    def caption(self, number: int) -> str:
        return self.shards.captions(number)[0]

    def labels(self, number: int) -> Labels:
        cells = self.shards.stored(number)[0].cells
        group = self.shards.name(number)
        return Labels(*cells[0], group) if len(cells) == 1 else Labels(group=group)

    def picture(self, number: int, side: int) -> Pixels:
        return self.shards.pixels(number, side)


class ShardDataSet:
    """An owner's collection, a folder of shards. Its pictures are dealt out in four: prompts,
    reference, what judges are fitted on, and what they are tested with."""

    halves = None  # prompts and reference are disjoint already

    def __init__(self, folder: Path) -> None:
        """Raises UserError: no folder of shards, or too few pictures."""
        self.shards = ShardSet(folder)
        num = len(self.shards)
        if num < MIN_PICTURES:
            raise UserError(f"{folder} has {num} pictures: at least {MIN_PICTURES} are needed")
        source = ShardPictures(self.shards)
        self.prompts, self.reference, fit, test = (
            Subset(source, range(part, num, 4)) for part in range(4)
        )
        self._learned = fit, test
        self.training = Subset(source, range(num))  # whoever learned from it saw every picture

    @cached_property
    def lessons(self) -> Lessons:
        fit, test = self._learned
        return Lessons(_named(fit), _named(test), fit, test)

    def facts(self) -> dict[str, Any]:
        return {"identity": self.shards.identity, "pictures": len(self.shards)}

    def name_of(self, concept: str) -> str:
        return concept


def _named(part: Subset) -> Subset:
    """The pictures whose concept is known."""
    rows = [row for row in part.rows if part.source.labels(row).concept is not None]
    return Subset(part.source, rows)
