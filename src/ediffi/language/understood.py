"""What a prompt means to a model: its words, what is said of them, and whether there is anything
to draw."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from ediffi.encoders.prompt import EncodesText
from ediffi.language.emoji import name_emoji
from ediffi.language.english import counted, mended_articles, without_negations
from ediffi.language.languages import is_foreign, to_english
from ediffi.language.nearest import Nearest, Offer
from ediffi.language.styles import named_styles
from ediffi.language.taught import without_marks, without_strange_words
from ediffi.language.tracked import Span, Tracked
from ediffi.language.typos import mend
from ediffi.language.vocabulary import (
    COLOURS,
    FUNCTION_WORDS,
    WORD,
    Vocabulary,
    stem,
    words_of,
)

SHOWN = 3  # nearest things named where nothing can be drawn
SIMILAR = 0.45  # least cosine of them and the whole prompt, where no word has an offer
MODIFIERS = ("ing", "ed", "ly")  # endings of words that name no thing


@dataclass(frozen=True)
class Understood:
    """A prompt in a model's words.

    typed: as it was; rewritten: `text`, and where each of its characters was typed; things: labels
    of what it names, in order; notes: what the user should know; offers: near things for unknown
    words; nearest: labels to offer where nothing is drawable; drawable: whether the model was
    taught anything that is named, always so of a model that claims no vocabulary.
    """

    typed: str
    rewritten: Tracked
    things: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    offers: tuple[Offer, ...] = ()
    nearest: tuple[str, ...] = ()
    drawable: bool = True

    @property
    def text(self) -> str:
        """What the model reads."""
        return self.rewritten.text

    def refusal(self, vocabulary: Vocabulary) -> str:
        """Why nothing of it is drawn, and what could be; for a prompt that is not drawable."""
        near = f"; the nearest that it draws: {', '.join(self.nearest)}" if self.nearest else ""
        return (
            f"nothing is known in {self.typed!r}: {vocabulary.model} reads English, and the names "
            f"of things in 26 other languages, and draws {len(vocabulary.things)} things, which "
            f"`ediffi info --vocabulary` lists{near}"
        )

    def follow(self, span: Span) -> Span | None:
        """Where the characters [start, end) of the typed prompt are in `text`: from the first to
        the last that comes from them; None if they were left out.

        >>> understood = understand("eine rote Katze", Vocabulary({"cat": ()}))
        >>> understood.text, understood.follow((10, 15))
        ('a red cat', (6, 9))
        """
        return self.rewritten.follow(span)


class _Reading:
    """A prompt on its way, and what there is to say of it."""

    def __init__(
        self, text: str, vocabulary: Vocabulary, encoder: Callable[[], EncodesText] | None
    ) -> None:
        self.typed = text
        self.prompt = Tracked.of(text)
        self.vocabulary = vocabulary
        self.encoder = encoder
        self.notes: list[str] = []
        self.offers: tuple[Offer, ...] = ()
        self.unknown: list[str] = []

    @cached_property
    def nearest(self) -> Nearest | None:
        return Nearest(self.vocabulary, self.encoder()) if self.encoder else None

    @property
    def things(self) -> tuple[str, ...]:
        """Labels of what is named, in order and once."""
        found = self.vocabulary.find(self.prompt.text)
        return tuple(dict.fromkeys(label for _, label in found))

    def put_into_english(self) -> bool:
        """Emoji and other languages; whether anything was put into English."""
        vocabulary = self.vocabulary
        known = frozenset(name.casefold() for name in vocabulary.names)
        named = name_emoji(self.prompt, known)
        taught = frozenset(word for phrase in vocabulary.words for word in words_of(phrase))
        found = to_english(named, known, taught)
        self.prompt = found.prompt if found else named
        if self.prompt.text != self.typed:
            missed = found.unknown if found else ()
            unknown = f"; nothing is known of {', '.join(missed)}" if missed else ""
            self.notes.append(f"{self.typed!r} is understood as {self.prompt.text!r}{unknown}")
        self._left_out(found.negated if found else ())
        return found is not None

    def rewrite(self, words: Mapping[str, str]) -> None:
        """Other words in the places of some, and say so. words: in lower case -> instead."""
        found = [m for m in WORD.finditer(self.prompt.text) if m[0].lower() in words]
        for match in found:
            piece = words[match[0].lower()]
            self.notes.append(f"{match[0]!r} is understood as {piece!r}")
        for match in reversed(found):
            replaced = self.prompt.replace(match.span(), words[match[0].lower()])
            self.prompt = mended_articles(replaced, match.span())

    def mend_typos(self) -> None:
        """Words that one known word is near to."""
        if self.encoder is not None:
            unknown = self.vocabulary.unknown_words(self.prompt.text)
            near = {word: mend(word, self.vocabulary, self.encoder) for word in unknown}
            self.rewrite({word: right for word, right in near.items() if right})

    def read_english(self) -> None:
        """Negations, styles, counts and punctuation, as captions have them."""
        model = self.vocabulary.model
        self.prompt, negated = without_negations(self.prompt)
        self._left_out(negated)
        self.prompt, styles, others = named_styles(self.prompt, self.vocabulary.looks)
        for said, style in styles:
            self.notes.append(f"{said!r}: drawn {style}")
        if others:
            known = ", ".join(phrases[0] for phrases in self.vocabulary.looks.values())
            said = ", ".join(map(repr, others))
            self.notes.append(f"{model} has no style {said}: it draws {known}")
        self.prompt, large = counted(self.prompt, self.vocabulary)
        for said in large:
            self.notes.append(f"{said!r}: four of a thing is the most that {model} draws")
        if self.things:
            self.prompt = without_marks(self.prompt)

    def name_things(self) -> None:
        """Words that are other names of things; and what is near to the words that the model was
        not taught, or where it was taught none, to any word that may name a thing."""
        words = _nouns(self.prompt.text)
        self.unknown = self.vocabulary.unknown_words(self.prompt.text)
        if self.things:
            words = [word for word in words if word in self.unknown]
        if self.nearest is None or not words:
            return
        offers = [offer for word in words if (offer := self.nearest.offer(word))]
        same = {offer.word: offer.label for offer in offers if offer.same}
        self.rewrite(same)
        self.offers = tuple(offer for offer in offers if not offer.same)
        self.unknown = [word for word in self.unknown if word not in same]

    def leave_out(self) -> None:
        """What the model was never taught, where something is left without it."""
        self.prompt = without_strange_words(self.prompt, self.vocabulary)

    def done(self, *, whole: bool) -> Understood:
        """What came out, and what is unknown in it. whole: nothing of it was left out."""
        vocabulary, things = self.vocabulary, self.things
        if things and self.unknown:
            near = "".join(f"; nearest to {o.word!r} is {o.label!r}" for o in self.offers)
            out = "" if whole else f", so {self.prompt.text!r} is drawn"
            unknown = ", ".join(map(repr, self.unknown))
            self.notes.append(
                f"{vocabulary.model} was never taught {unknown}{out}: it draws "
                f"{len(vocabulary.things)} things, see `ediffi info --vocabulary`{near}"
            )
        nearest = tuple(dict.fromkeys(offer.label for offer in self.offers))
        if not things and not nearest and self.nearest and _nouns(self.prompt.text):
            ranked = self.nearest.ranked(self.prompt.text)[:SHOWN]
            nearest = tuple(label for label, cosine in ranked if cosine >= SIMILAR)
        notes = tuple(self.notes)
        return Understood(
            self.typed, self.prompt, things, notes, self.offers, nearest, bool(things)
        )

    def _left_out(self, negated: Iterable[str]) -> None:
        for said in negated:
            self.notes.append(f"{said!r} is left out: only say what is to be seen")


def understand(
    text: str,
    vocabulary: Vocabulary,
    encoder: Callable[[], EncodesText] | None = None,
    *,
    whole: bool = False,
) -> Understood:
    """A tidy prompt in the words that a model was taught.

    Emoji and other languages become English; typos near one known word are mended, negations left
    out, styles named as the model does, counts above four made four; and what the model was never
    taught is left out, where something is left. A prompt in captions' words is left as it is, byte
    for byte, and so is any for a model that claims no vocabulary.

    encoder: gives the model's text encoder, asked for only if there are unknown words; without it
    no typo is mended and nothing near is offered.
    whole: keep what the model was never taught.
    """
    reading = _Reading(text, vocabulary, encoder)
    if not vocabulary.things:
        return Understood(text, reading.prompt)
    if not reading.put_into_english():
        if is_foreign(reading.prompt.text):
            return Understood(text, reading.prompt, drawable=False)
        reading.mend_typos()
        reading.read_english()
    reading.name_things()
    if not whole:
        reading.leave_out()
    return reading.done(whole=whole)


def _nouns(text: str) -> list[str]:
    """Words that may name a thing, in order and once."""
    return [
        word
        for word in dict.fromkeys(words_of(text))
        if word not in FUNCTION_WORDS
        and stem(word) not in COLOURS
        and word not in ("background", "backdrop")
        and not word.endswith(MODIFIERS)
    ]
