"""Captions of the full form: 5 to 60 words, many wordings, a span for all that they name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from random import Random

from ediffi.pictogram import captions
from ediffi.pictogram.backdrops import KINDS
from ediffi.pictogram.captions import (
    Mark,
    Piece,
    Segment,
    article,
    indefinite,
    is_mass,
    join_segments,
)
from ediffi.pictogram.plurals import NUMBERS, plural
from ediffi.pictogram.scene import Background, Caption, SceneConfig

MIN_WORDS, MAX_WORDS = 5, 60
SIZES = {"big": ("big", "large"), "small": ("small", "little"), "huge": ("huge", "giant"),
         "tiny": ("tiny",)}  # fmt: skip
REGION = re.compile(r"\{(\w+):([^}]*)\}")


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

    def mark(self, kind: captions.SpanKind) -> Mark:
        return kind, self.entity.parts

    def phrase(self, rng: Random | None = None) -> list[Segment]:
        """`a` + `big red fox`, `three small apples`; without a rng only `big red fox`."""
        count = self.entity.count
        words: list[tuple[captions.SpanKind, str]] = []
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


FRONT: tuple[tuple[Piece, ...], ...] = (
    (0, " in front of ", 1),
    (1, " behind ", 0),
    (0, " before ", 1),
    (1, " partly hidden by ", 0),
)
AMONG: tuple[tuple[Piece, ...], ...] = (
    (0, " among ", 1),
    (0, " surrounded by ", 1),
    (0, " in the middle of ", 1),
    (1, " around ", 0),
    (0, " inside a ring of ", 1),
)
SQUARE: tuple[tuple[Piece, ...], ...] = (
    (0, " and ", 1, " above ", 2, " and ", 3),
    (2, " and ", 3, " below ", 0, " and ", 1),
    (0, ", ", 1, ", ", 2, " and ", 3),
    (0, " and ", 1, " at the top, ", 2, " and ", 3, " at the bottom"),
)
ROW_OF_FOUR: tuple[tuple[Piece, ...], ...] = (
    (0, ", ", 1, ", ", 2, " and ", 3),
    (0, ", ", 1, ", ", 2, " and ", 3, " in a row"),
    (0, ", ", 1, ", ", 2, " and ", 3, " from left to right"),
)
RELATIONS = {  # by number of things and layout
    (2, "beside"): captions.PAIR_BESIDE,
    (2, "stacked"): captions.PAIR_STACKED,
    (2, "front"): FRONT,
    (2, "among"): AMONG,
    (3, "row"): captions.ROW,
    (3, "triangle"): captions.TRIANGLE,
    (4, "square"): SQUARE,
    (4, "row"): ROW_OF_FOUR,
}
COUNTED = {
    "beside": ("", "", " side by side", " next to each other"),
    "stacked": ("", " one above the other"),
    "row": ("", " in a row", " side by side"),
    "triangle": ("", "", " in a triangle"),
    "square": ("", "", " in a square"),
}


class Describer:
    """Writes captions of one scene. offset: how many masks come before the background's."""

    def __init__(
        self,
        entities: Sequence[Entity],
        layout: str,
        background: Background,
        style: str,
        config: SceneConfig,
    ) -> None:
        self.entities, self.layout, self.style = entities, layout, style
        self.background, self.config = background, config
        offset = sum(entity.count for entity in entities)
        self.parts = {name: (offset + n,) for n, name in enumerate(background.regions)}
        self.colours = dict(zip(background.regions, background.colours, strict=True))
        self.whole: Mark = ("background", tuple(n for (n,) in self.parts.values()))

    def caption(self, rng: Random, *, styled: bool) -> Caption:
        """One more caption, that tells the style or does not."""
        for _ in range(12):
            things = [self._name(entity, rng) for entity in self.entities]
            if rng.random() < self.config.keywords:
                segments = self._keywords(things, styled, rng)
            else:
                segments = self._sentences(things, styled, rng)
            text, spans = join_segments(segments)
            if MIN_WORDS <= len(text.split()) <= MAX_WORDS:
                break
        return Caption(text, spans)

    def _name(self, entity: Entity, rng: Random) -> Named:
        label = entity.labels[0] if rng.random() < 0.7 else rng.choice(entity.labels)
        said = entity.recoloured or rng.random() < self.config.caption_colour
        size = rng.choice(SIZES[entity.size]) if entity.size and rng.random() < 0.6 else None
        return Named(entity, label, entity.colour if said else None, size, article(label) != label)

    def _sentences(self, things: Sequence[Named], styled: bool, rng: Random) -> list[Segment]:
        named = rng.random() < self.config.caption_background
        noun = self.noun(rng)
        detailed = rng.random() < self.config.detailed
        later = styled and detailed and rng.random() < 0.5  # in a sentence of its own
        template = self._template(named, styled and not later, rng)
        stands = KINDS[self.background.kind].stands
        core = self._related(things, rng)
        first = next(segment.marks for segment in core if segment.marks)
        if any(thing.several and thing.mark("thing") in first for thing in things):
            template = template.replace("there is", "there are", 1)
        segments = captions.expand(template, core, noun, self.style, rng, stands)
        if later:
            drawn = rng.choice(("it is drawn ", "the picture is drawn ", "everything is drawn "))
            phrase = rng.choice(captions.STYLES[self.style][1])
            segments += [Segment(". "), Segment(drawn + phrase)]
        if detailed:
            segments += self._details(things, segments, named, rng)
        return segments

    def _template(self, named: bool, styled: bool, rng: Random) -> str:
        wanted = captions.WITH_BACKGROUND if named else (*captions.WITHOUT_BACKGROUND, "T", "T")
        fits = [t for t in wanted if ("S" in t or "F" in t) == styled and t != "G with T"]
        return rng.choice(fits)

    def _related(self, things: Sequence[Named], rng: Random) -> list[Segment]:
        if len(things) == 1:
            tail = rng.choice(COUNTED[self.layout]) if things[0].entity.count > 1 else ""
            return [*things[0].phrase(rng), *([Segment(tail)] if tail else [])]
        pieces = rng.choice(RELATIONS[len(things), self.layout])
        segments: list[Segment] = []
        for piece in pieces:
            segments += [Segment(piece)] if isinstance(piece, str) else things[piece].phrase(rng)
        return segments

    def noun(self, rng: Random) -> list[Segment]:
        """The background with its article: one span for the whole, one for each region named."""
        segments: list[Segment] = []
        text, at = rng.choice(_wordings(self.background.kind, self.background.regions)), 0
        for match in REGION.finditer(text):
            region, words = match[1], match[2].replace("#", self.colours[match[1]])
            glue = text[at : match.start()]
            glue = re.sub(r"\ba $", f"{indefinite(words)} ", glue)
            segments += [Segment(glue, (self.whole,))] if glue else []
            segments += self._region(region, words, "#" in match[2])
            at = match.end()
        segments += [Segment(text[at:], (self.whole,))] if text[at:] else []
        return _without_article(segments)

    def _region(self, region: str, words: str, coloured: bool) -> list[Segment]:
        stuff: Mark = ("stuff", self.parts[region])
        if not coloured:
            return [Segment(words, (self.whole, stuff))]
        colour = self.colours[region]
        before, after = words.split(colour, 1)
        own: Mark = ("colour", self.parts[region])
        texts = ((before, ()), (colour, (own,)), (after, ()))
        return [Segment(text, (self.whole, stuff, *marks)) for text, marks in texts if text]

    def _keywords(self, things: Sequence[Named], styled: bool, rng: Random) -> list[Segment]:
        """A list with commas, as in a picture library."""
        terms: list[list[Segment]] = []
        for thing in things:
            count, whole = thing.entity.count, thing.mark("thing")
            term = thing.phrase()
            if count > 1:
                word = Segment(NUMBERS[count], (whole, thing.mark("count")))
                term = [word, Segment(" ", (whole,)), *term]
            terms.append(term)
            said = thing.label.split()
            loose = [w for w in thing.entity.keywords if len(w) > 2 and w not in said]
            terms += [[Segment(w)] for w in rng.sample(loose, min(2, len(loose)))]
        if styled:
            terms.append([Segment(rng.choice(captions.STYLES[self.style][0]))])
        if rng.random() < self.config.caption_background:
            noun = self.noun(rng)
            terms.append([s for s in noun if s.marks] or noun)
        segments: list[Segment] = []
        for number, term in enumerate(terms):
            segments += [Segment(", ")] if number else []
            segments += term
        return segments

    def _details(
        self,
        things: Sequence[Named],
        said: Sequence[Segment],
        named: bool,
        rng: Random,
    ) -> list[Segment]:
        """More sentences, in any order, until the caption is as long as it was to be."""
        target = rng.randint(18, MAX_WORDS)
        sentences = self._facts(things, named, rng)
        rng.shuffle(sentences)
        words = _words(said)
        segments: list[Segment] = []
        for sentence in sentences:
            length = _words(sentence)
            if words + length > MAX_WORDS or words >= target:
                continue
            segments += [Segment(". "), *sentence]
            words += length
        return segments

    def _facts(self, things: Sequence[Named], named: bool, rng: Random) -> list[list[Segment]]:
        facts: list[list[Segment]] = []
        for thing in things:
            is_ = "are" if thing.several else "is"
            if len(things) > 1 or thing.entity.place != "in the middle":
                facts.append([*thing.again(), Segment(f" {is_} {thing.entity.place}")])
            if thing.entity.colour and not thing.colour:
                colour = Segment(thing.entity.colour, (thing.mark("colour"),))
                mostly = rng.choice(("", "mostly "))
                facts.append([*thing.again(), Segment(f" {is_} {mostly}"), colour])
            if thing.entity.count > 1:
                number = Segment(NUMBERS[thing.entity.count], (thing.mark("count"),))
                noun = Segment(thing.noun, (thing.mark("thing"),))
                facts.append(
                    [Segment("there are "), number, Segment(" "), noun, Segment(" in all")]
                )
        facts += self._comparisons(things, rng)
        if named:
            facts += self._regions(rng)
        else:
            glue = rng.choice(("the backdrop is ", "the setting is "))
            facts.append([Segment(glue), *self.noun(rng)])
        return facts

    def _comparisons(self, things: Sequence[Named], rng: Random) -> list[list[Segment]]:
        if len(things) != 2 or not (things[0].entity.size and things[1].entity.size):
            return []
        big, small = sorted(things, key=lambda t: t.entity.size in ("small", "tiny"))
        words = " are " if big.several else " is "
        facts = [[*big.again(), Segment(f"{words}bigger than "), *small.again()]]
        words = " are " if small.several else " is "
        facts.append([*small.again(), Segment(f"{words}smaller than "), *big.again()])
        return [rng.choice(facts)]

    def _regions(self, rng: Random) -> list[list[Segment]]:
        """`the sky is blue`, for each region that has a plain name."""
        facts = []
        for region, parts in self.parts.items():
            if region in ("ground", "top", "bottom", "left", "right", "middle", "rim"):
                continue
            marks: tuple[Mark, ...] = (("stuff", parts),)
            is_ = " are " if region.endswith("s") and region != "grass" else " is "
            colour = Segment(self.colours[region], (("colour", parts),))
            facts.append([Segment("the "), Segment(region, marks), Segment(is_), colour])
        return facts


@cache
def _wordings(kind: str, regions: tuple[str, ...]) -> list[str]:
    """Those that name nothing but these regions."""
    there = set(regions)
    return [w for w in KINDS[kind].wordings if there.issuperset(m[1] for m in REGION.finditer(w))]


def _words(segments: Sequence[Segment]) -> int:
    return len("".join(segment.text for segment in segments).split())


def _without_article(segments: list[Segment]) -> list[Segment]:
    """The same, with the article that they begin with in no span."""
    match = re.match(r"(an?|the) ", segments[0].text)
    if not match:
        return segments
    rest = segments[0].text[match.end() :]
    head = [Segment(rest, segments[0].marks)] if rest else []
    return [Segment(match.group()), *head, *segments[1:]]
