"""Prompts in other languages put into the English words that a model was taught.

This reads short descriptions of things, colours and places; it does not translate.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from ediffi.language.function_words import WORDS
from ediffi.language.lexicon import SCRIPTS, Lexicon, script, table, words_in
from ediffi.language.sentence import sentence
from ediffi.language.tracked import Tracked

LATIN = tuple("de fr es es-mx it pt nl da sv nb fi et hu lt pl vi ms".split())
ENGLISH = frozenset(
    "a an the of on in at to and or with by for from is are its his her my your our their no not "
    "over under above below next near beside behind between front left right background "
    "big small large one two three four very some all many as it this that these those".split()
)
ENGLISH_ALONE = frozenset(["the", "with", "this", "that"])  # words of no other language here


@dataclass(frozen=True)
class InEnglish:
    """A prompt in English; the words in it that nothing is known about, and what it says is not to
    be seen."""

    prompt: Tracked
    unknown: tuple[str, ...]
    negated: tuple[str, ...]


def to_english(prompt: Tracked, known: frozenset[str], english: frozenset[str]) -> InEnglish | None:
    """What a prompt in another language says in English; None where it is English already, or
    nothing is known.

    known: names of the things the model draws, in lower case; english: more words it was taught.

    >>> to_english(Tracked.of("红色背景上的一只狐狸"), frozenset(["fox"]), frozenset()).prompt.text
    'a fox on a red background'
    """
    for language in _likely(prompt.text, known, english):
        parts, negated = Lexicon.of(language, known).affirmed(prompt.text)
        said = sentence([part for part in parts if part.word], WORDS.get(language))
        if said.text:
            origin = tuple(span and prompt.source(span) for span in said.origin)
            unknown = tuple(part.phrase for part in parts if not part.word)
            return InEnglish(Tracked(said.text, origin), unknown, tuple(negated))
    return None


def is_foreign(text: str) -> bool:
    """Whether most letters of a prompt are not Latin ones."""
    letters = [ch for ch in text if ch.isalpha()]
    return 2 * sum(script(ch) != "LATIN" for ch in letters) > len(letters)


def _likely(text: str, known: frozenset[str], english: frozenset[str]) -> list[str]:
    """The languages a text may be in, the likeliest first; none if it is English."""
    scripts = {script(ch) for ch in text if ch.isalpha()} - {"LATIN", "OTHER"}
    if scripts:
        first = next(name for name in SCRIPTS if name in scripts)  # kana before Han
        return sorted(SCRIPTS[first], key=lambda name: Lexicon.of(name, known).misfit(text))
    words = words_in(text)
    plain = ENGLISH | english | {word for phrase in known for word in words_in(phrase)}
    if ENGLISH_ALONE & {*words} or 2 * sum(word in plain for word in words) >= len(words):
        return []  # most prompts: the table is not even read
    plain |= _english_words()
    in_english, most, best = sum(word in plain for word in words), (0, 0), ""
    for language in LATIN:
        lexicon = Lexicon.of(language, known)
        parts = lexicon.read(text)
        found = [part for part in parts if part.word]
        missed = len(parts) - len(found)
        hits = len(words) - missed
        foreign = [part.word.kind for part in found if part.word and part.phrase not in plain]
        if hits <= max(in_english, missed) or not ("thing" in foreign or len(foreign) > 1):
            continue
        exact = sum(part.phrase in lexicon.phrases for part in found)
        things = [part.word.value for part in found if part.word and part.word.kind == "thing"]
        taught = sum(name in known for name in things)
        if (hits, exact + taught) > most:
            most, best = (hits, exact + taught), language
    return [best] if best else []


@cache
def _english_words() -> frozenset[str]:
    """Every word of an English label or keyword."""
    phrases = (phrase for entry in table()["languages"]["en"] for phrase in entry)
    return frozenset(word for phrase in phrases for word in words_in(phrase))
