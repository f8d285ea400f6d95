"""Things as captions may call them, and as one caption does."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from ediffi.pictogram.grammar import NUMBERS, indefinite, is_mass, plural
from ediffi.pictogram.segments import Mark, Segment, SpanKind


@dataclass(frozen=True)
class Entity:
    """What captions may say of a thing that is there once or several times.

    labels: words for one of it, the usual first; parts: its masks; colour: the word that is true
    of it, None if there is none; recoloured: it must be said; size: a key of `SIZES`, where it
    stands out; place: where it is, e.g. "on the left"; keywords: loose words for it.
    """

    labels: tuple[str, ...]
    parts: tuple[int, ...]
    colour: str | None = None
    recoloured: bool = False
    size: str | None = None
    place: str = "in the middle"
    keywords: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        return len(self.parts)


@dataclass(frozen=True)
class Named:
    """A thing as one caption calls it."""

    entity: Entity
    label: str
    colour: str | None
    size: str | None
    article: bool  # whether one of it takes one: not "fries"

    @property
    def several(self) -> bool:
        return self.entity.count > 1 or not (self.article or is_mass(self.label))

    @property
    def noun(self) -> str:
        return plural(self.label) if self.entity.count > 1 else self.label

    def mark(self, kind: SpanKind) -> Mark:
        return kind, self.entity.parts

    def phrase(self, rng: Random | None = None) -> list[Segment]:
        """`a` + `big red fox`, `three small apples`; without a rng only `big red fox`."""
        count = self.entity.count
        words: list[tuple[SpanKind, str]] = []
        if rng is not None and count > 1:
            words.append(("count", NUMBERS[count]))
        elif rng is not None and self.article and rng.random() < 0.06:
            words.append(("count", rng.choice(("one", "a single"))))
        words += [("size", self.size)] if self.size else []
        words += [("colour", self.colour)] if self.colour else []
        words.append(("thing", self.noun))
        segments = []
        if rng is not None and count == 1 and self.article and words[0][0] != "count":
            segments.append(Segment(f"{indefinite(words[0][1])} "))
        if count > 1 and rng is not None and rng.random() < 0.15:
            segments.append(Segment("a group of "))
        whole = self.mark("thing")
        for number, (kind, text) in enumerate(words):
            own = () if kind == "thing" else (self.mark(kind),)
            segments += [Segment(" ", (whole,))] if number else []
            segments.append(Segment(text, (whole, *own)))
        return segments

    def again(self) -> list[Segment]:
        """`the fox`, `the apples`: no attribute is repeated."""
        return [Segment("the "), Segment(self.noun, (self.mark("thing"),))]
