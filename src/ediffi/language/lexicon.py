"""The table of words in 27 languages, and phrases of one language found in a text.

The table, `languages.json.xz`, holds emojibase's labels and keywords of the pictogram grid's
concepts; scripts/build_languages.py makes it.
"""

from __future__ import annotations

import json
import lzma
import re
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from ediffi.language.function_words import WORDS, FunctionWords
from ediffi.language.negations import NEGATIONS, affirmed
from ediffi.language.tracked import Span, Tracked

SPACED = re.compile(r"\S+")
UNIT = re.compile(r"[a-z]+|.")  # of text without spaces: a letter, but Latin words whole
FEW = 3  # things that share a keyword, of which one is drawn
MIN_THING = 3  # letters of a thing's name in a language that writes words apart
TABLE = Path(__file__).with_name("languages.json.xz")
Kind = Literal["thing", "colour", "place", "background", "joining", "count", "passing", "negation"]

# Scripts that tell their languages apart, by their letters' names in Unicode.
SCRIPTS = {
    "HIRAGANA": ("ja",),
    "KATAKANA": ("ja",),
    "HANGUL": ("ko",),
    "CJK": ("zh", "zh-hant", "ja"),
    "CYRILLIC": ("ru", "uk"),
    "THAI": ("th",),
    "DEVANAGARI": ("hi",),
    "BENGALI": ("bn",),
}
UNSPACED = ("zh", "zh-hant", "ja", "ko", "th")  # words are found inside of runs of letters
BEYOND_LATIN = re.compile(r"[^\x00-\u024f\u0300-\u036f\u2010-\u2027]")
BETWEEN_WORDS = re.compile(r"[\W_]+")
ACCENT = re.compile(r"[\u0300-\u036f]")
PLURAL = re.compile(r"(?<=\w{3})s$")
ENDING = re.compile(r"(?<=\w{3})(en|er|em|es|os|as|[enosaix])$")
CYRILLIC_ENDING = re.compile(r"(?<=\w{3})([аеиоуыьэюяйёіїє]+|[оеаяыи][мх]|[оеы]го|[ое]му)$")  # noqa: RUF001


@dataclass(frozen=True)
class Word:
    """kind: what a phrase is for; value: in English; thing: what it is as a thing, for colours that
    are one as well (rose, orange)."""

    kind: Kind
    value: str
    thing: str = ""


@dataclass(frozen=True)
class Found:
    """A phrase of a text, what it is (None: unknown), and its span in the text."""

    phrase: str
    word: Word | None
    span: Span

    @property
    def kind(self) -> Kind | None:
        return self.word.kind if self.word else None


@cache
def table() -> Any:
    """names: hexcode -> English names; groups: hexcode -> emojibase's group and subgroup;
    languages: a list of [label, keywords ...] for each name."""
    packed = TABLE.read_bytes()
    return json.loads(lzma.decompress(packed))


def english_name(hexcode: str, known: frozenset[str]) -> str:
    """A concept in English, by a name that the model was taught if there is one."""
    names: list[str] = table()["names"][hexcode]
    return next((name for name in names if name in known), names[0])


class Lexicon:
    """The phrases of one language that mean something, for one model's vocabulary."""

    @classmethod
    @cache
    def of(cls, language: str, known: frozenset[str]) -> Lexicon:
        return cls(language, known)

    def __init__(self, language: str, known: frozenset[str]) -> None:
        self.spaced = language not in UNSPACED
        self.known = known
        self.phrases: dict[str, Word] = {}
        self.stems: dict[str, Word] = {}
        rules = WORDS.get(language)
        labels, keywords = self._things(
            table()["languages"].get(language, ()), lenient=rules is not None
        )
        small = list(_function_words(rules)) if rules else []
        self.negation = NEGATIONS[language]
        small += ((phrase, Word("negation", "")) for phrase in self.negation.words.split(","))
        colours = [form(phrase) for phrase, word in small if word.kind == "colour"]
        tinted = {s for colour in colours for s in stems(colour)}
        said_of_all = tinted | {form(p) for p, word in small if word.kind == "joining"}
        things = {  # black and white, of a zebra
            phrase: english
            for phrase, english in keywords.items()
            if not all(said_of_all & {*stems(word)} for word in phrase.split())
        } | labels
        if not self.spaced:
            things |= {form(name): name for name in known}
        for phrase, english in things.items():
            if self.spaced and len(phrase) < MIN_THING:
                continue  # digits, letters of buttons, abbreviations
            if english not in known or not self._is_coloured(phrase, colours, things):
                self.phrases[phrase] = Word("thing", english)
                if rules and self.spaced:
                    shortest = MIN_THING + (script(phrase[0]) == "LATIN")
                    self.stems |= dict.fromkeys(
                        (s for s in stems(phrase) if len(s) >= shortest), self.phrases[phrase]
                    )
        for phrase, word in small:
            said = form(phrase)
            self.phrases[said] = Word(word.kind, word.value, things.get(said, ""))
            if self.spaced and word.kind != "negation":
                self.stems |= dict.fromkeys(stems(said), self.phrases[said])
        self.longest = max(len(self._units(phrase)) for phrase in self.phrases)

    @staticmethod
    def _is_coloured(phrase: str, colours: Sequence[str], things: Mapping[str, str]) -> bool:
        """Whether a phrase is a colour and another phrase for the same thing, as "red apple"."""
        for colour in colours:
            if colour in phrase:
                first, _, last = phrase.partition(colour)
                words = first.split()[-1:] + last.split()[-1:]  # without the colour's own ending
                if any(things.get(w) == things[phrase] for w in (first, last.strip(), *words)):
                    return True
        return False

    def _things(
        self, entries: Sequence[Sequence[str]], *, lenient: bool
    ) -> tuple[dict[str, str], dict[str, str]]:
        """Phrase -> English: labels, and the keywords that belong to one thing rather than many.

        lenient: also keywords of several things; only where colours are known, which keywords are.
        """
        labels: dict[str, str] = {}
        keywords: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for hexcode, entry in zip(table()["names"], entries, strict=True):
            if not entry:
                continue
            english = english_name(hexcode, self.known)
            label = form(entry[0])
            if label not in labels or english in self.known:
                labels[label] = english
            for keyword in entry[1:]:
                keywords[form(keyword)].append((label, english))
        out = {}
        for keyword, owners in keywords.items():
            names = {english for _, english in owners}
            drawn = names & self.known
            # "dog" in "dog's head" is what it shows; of these, the plainest
            inside = sorted((len(n), e) for n, e in owners if keyword in n and e in self.known)
            if len(names) == 1 or (lenient and len(drawn) == 1 and _is_of(names, *drawn)):
                out[keyword] = next(iter(drawn or names))
            elif lenient and inside:
                out[keyword] = inside[0][1]
        return labels, out

    def _units(self, form: str) -> list[re.Match[str]]:
        return list((SPACED if self.spaced else UNIT).finditer(form))

    def _find(self, phrase: str) -> Word | None:
        if phrase in self.phrases or not self.spaced:
            return self.phrases.get(phrase)
        return next((self.stems[s] for s in stems(phrase) if s in self.stems), None)

    def read(self, text: str) -> list[Found]:
        """The phrases in a text, longest first, with what they are, also those that are unknown."""
        spelled = spell(text)
        units = self._units(spelled.text)
        parts: list[Found] = []
        position = 0
        while position < len(units):
            for size in range(min(self.longest, len(units) - position), 0, -1):
                span = units[position].start(), units[position + size - 1].end()
                phrase = spelled.text[slice(*span)]
                word = self._find(phrase)
                if word or size == 1:
                    parts.append(Found(phrase, word, spelled.source(span) or span))
                    break
            position += size
        if not self.spaced:
            parts = _without_fragments(parts)
        return [part for part in parts if part.word or not part.phrase.isspace()]

    def affirmed(self, text: str) -> tuple[list[Found], list[str]]:
        """`read`, less what the text says is not to be seen; and that."""
        also = frozenset(form(word) for word in self.negation.also.split(","))
        return affirmed(self.read(text), text, also, last=self.negation.last)

    def misfit(self, text: str) -> tuple[int, int]:
        """How badly a text reads: letters in no known phrase, then how many phrases it takes."""
        parts = self.read(text)
        return sum(len(p.phrase) for p in parts if not p.word), sum(bool(p.word) for p in parts)


def _is_of(names: Collection[str], drawn: str) -> bool:
    """Whether a keyword of all these is a word for the one of them that is drawn: there are few, or
    most are one, as a grinning cat and a crying cat are."""
    kin = sum(drawn in name for name in names)
    return len(names) <= FEW or 2 * kin > len(names)


def _without_fragments(parts: Sequence[Found]) -> list[Found]:
    """Runs of unknown letters as one; a thing of one letter beside them is a piece of that word."""
    unknown = [part.word is None and not part.phrase.isspace() for part in parts]
    for i, part in enumerate(parts):
        beside = unknown[max(0, i - 1) : i] + unknown[i + 1 : i + 2]
        if part.word and part.word.kind == "thing" and len(part.phrase) == 1 and any(beside):
            unknown[i] = True
    out: list[Found] = []
    for i, part in enumerate(parts):
        if unknown[i] and i and unknown[i - 1]:
            span = out[-1].span[0], part.span[1]
            out[-1] = Found(out[-1].phrase + part.phrase, None, span)
        else:
            out.append(Found(part.phrase, None if unknown[i] else part.word, part.span))
    return out


def _function_words(words: FunctionWords) -> Iterable[tuple[str, Word]]:
    for english, phrases in words.colours.items():
        yield from ((phrase, Word("colour", english)) for phrase in phrases.split(","))
    for english, phrases in words.places.items():
        yield from ((phrase, Word("place", english)) for phrase in phrases.split(","))
    for number, phrases in enumerate(words.counts, 1):
        for phrase in phrases.split(","):
            for measure in words.measures.split(","):
                yield phrase + measure, Word("count", str(number))
    kinds: tuple[tuple[Kind, str], ...] = (
        ("background", words.background),
        ("joining", words.joining),
        ("passing", words.passing),
    )
    for kind, phrases in kinds:
        yield from ((phrase, Word(kind, "")) for phrase in phrases.split(","))


def form(text: str) -> str:
    """Lower case, words divided by single spaces, Latin letters without accents."""
    decomposed = unicodedata.normalize("NFKD", text.casefold().replace("ё", "е"))  # noqa: RUF001
    if not BEYOND_LATIN.search(decomposed):  # most, and thirty times as fast
        return " ".join(BETWEEN_WORDS.sub(" ", ACCENT.sub("", decomposed)).split())
    kept: list[str] = []
    for ch in decomposed:
        if unicodedata.combining(ch) and kept and script(kept[-1]) == "LATIN":
            continue
        kept.append(ch)
    composed = unicodedata.normalize("NFC", "".join(kept))
    marks = ("L", "M", "N")
    return " ".join(
        "".join(c if unicodedata.category(c)[0] in marks else " " for c in composed).split()
    )


def spell(text: str) -> Tracked:
    """`form` of a text, and where its characters stand in it.

    >>> spell("Ein  Füchslein!").text
    'ein fuchslein'
    """
    starts = [n for n, ch in enumerate(text) if n == 0 or not _completes(ch)]
    pieces: list[tuple[str, Span | None]] = []
    for start, end in pairwise([*starts, len(text)]):
        pieces.append((form(text[start:end]) or " ", (start, end)))
    return Tracked.joined(pieces).sub(r"^ +| +$", "").sub(r" {2,}", " ")


def _completes(character: str) -> bool:
    """Whether a mark or a vowel or last consonant of Hangul, written behind what it belongs to."""
    return unicodedata.category(character)[0] == "M" or "\u1160" <= character <= "\u11ff"


def words_in(text: str) -> list[str]:
    return form(text).split()


def stems(phrase: str) -> list[str]:
    """Every word less a usual ending, and less another: weißem, weiss, weis; красном, красн; and
    less a plural's letter alone: gatos, gato."""
    each = [_stems(word) for word in phrase.split()]
    return list(dict.fromkeys(map(" ".join, zip(*each, strict=True))))


@cache
def _stems(word: str) -> tuple[str, str, str, str]:
    once = CYRILLIC_ENDING.sub("", ENDING.sub("", word))
    twice = CYRILLIC_ENDING.sub("", ENDING.sub("", once))
    return word, PLURAL.sub("", word), once, twice


def script(character: str) -> str:
    name = unicodedata.name(character, "").split()
    if name and name[0] in ("IDEOGRAPHIC", "KANGXI"):
        return "CJK"
    return name[0] if name and (name[0] in SCRIPTS or name[0] == "LATIN") else "OTHER"
