"""Captions of scenes: 5 to 60 words, many wordings, a span for all that they name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from random import Random

from ediffi.pictogram import captions
from ediffi.pictogram.backdrops import KINDS
from ediffi.pictogram.captions import COUNTED, MAX_WORDS, MIN_WORDS, RELATIONS, SIZES
from ediffi.pictogram.entities import Entity, Named
from ediffi.pictogram.grammar import NUMBERS, article, indefinite
from ediffi.pictogram.scene import Background, Caption, SceneConfig
from ediffi.pictogram.segments import Mark, Segment, join_segments

REGION = re.compile(r"\{(\w+):([^}]*)\}")


class Describer:
    """Writes the captions of one scene."""

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
        offset = sum(entity.count for entity in entities)  # the regions' masks follow the things'
        self.parts = {name: (offset + n,) for n, name in enumerate(background.regions)}
        self.colours = dict(zip(background.regions, background.colours, strict=True))
        self.whole: Mark = ("background", tuple(n for (n,) in self.parts.values()))

    def captions(self, rng: Random) -> tuple[Caption, ...]:
        """As many as the config says; those that tell the style are spread evenly over scenes."""
        turn, count = rng.random(), self.config.num_captions
        told = [(n + turn) / count < self.config.caption_style for n in range(count)]
        return tuple(self.caption(rng, styled=styled) for styled in told)

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
