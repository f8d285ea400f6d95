"""An owner's collection as a data set: a folder of shards that `ediffi data import` wrote."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

from ediffi.core.errors import UserError
from ediffi.core.types import Pixels
from ediffi.data.shard_set import ShardSet
from ediffi.evaluate.examples import Examples, Labels
from ediffi.evaluate.judges import Lessons

MIN_PICTURES = 32  # a quarter each for prompts, reference, fitting and testing judges


class Pictures:
    """A source, see `examples.Source`: the pictures of shards, each with its first caption. What
    they show is known of scenes of the pictogram grid alone."""

    def __init__(self, shards: ShardSet) -> None:
        self.shards = shards

    @property
    def facts(self) -> Any:
        return self.shards.identity

    def caption(self, number: int) -> str:
        return self.shards.captions(number)[0]

    def labels(self, number: int) -> Labels:
        cells = self.shards.stored(number)[0].cells
        group = self.shards.name(number)
        return Labels(*cells[0], group) if len(cells) == 1 else Labels(group=group)

    def picture(self, number: int, side: int) -> Pixels:
        return self.shards.pixels(number, side)


class CollectionSet:
    """A data set, see `evaluation.DataSet`. Its pictures are dealt out in four: prompts, reference,
    what judges are fitted on, and what they are tested with."""

    halves = None  # prompts and reference are disjoint already

    def __init__(self, folder: Path) -> None:
        """Raises UserError: no folder of shards, or too few pictures."""
        self.shards = ShardSet(folder)
        if len(self.shards) < MIN_PICTURES:
            raise UserError(
                f"{folder} has {len(self.shards)} pictures: at least {MIN_PICTURES} are needed"
            )
        self._source = Pictures(self.shards)

    @property
    def prompts(self) -> Examples:
        return self._dealt(0)

    @property
    def reference(self) -> Examples:
        return self._dealt(1)

    @property
    def training(self) -> Examples:
        """All of them: a model that learned from the collection saw every picture."""
        return Examples(self._source, range(len(self.shards)))

    @cached_property
    def lessons(self) -> Lessons:
        fit, test = self._dealt(2), self._dealt(3)
        return Lessons(self._labelled(fit), self._labelled(test), fit, test)

    def facts(self) -> dict[str, Any]:
        return {"identity": self.shards.identity, "pictures": len(self.shards)}

    def name_of(self, concept: str) -> str:
        return concept

    def _dealt(self, part: int) -> Examples:
        return Examples(self._source, range(part, len(self.shards), 4))

    def _labelled(self, examples: Examples) -> Examples:
        known = [r for r in examples.rows if self._source.labels(r).concept is not None]
        return Examples(self._source, known)
