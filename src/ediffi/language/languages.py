"""Prompts in other languages, and emoji, put into the English words that a model was taught.

This reads short descriptions of things, colours and places; it does not translate.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from ediffi.language.function_words import WORDS
from ediffi.language.lexicon import SCRIPTS, Lexicon, english_name, script, table, words_in
from ediffi.language.sentence import sentence, with_article

Vocabulary = Mapping[str, Sequence[str]]

LATIN = tuple("de fr es es-mx it pt nl da sv nb fi et hu lt pl vi ms".split())
ENGLISH = frozenset(
    "a an the of on in at to and or with by for from is are its his her my your our their no not "
    "over under above below next near beside behind between front left right background "
    "big small large one two three four very some all many as it this that these those".split()
)
SKIN = {chr(code) for code in range(0x1F3FB, 0x1F400)}
VARIATION = "\ufe0f"
# The grid has the people of a sequence once: a woman or man with a rocket is an astronaut.
MAN_OR_WOMAN = re.compile("[\N{MAN}\N{WOMAN}]\N{ZERO WIDTH JOINER}")
GENDER = re.compile("\N{ZERO WIDTH JOINER}[\N{FEMALE SIGN}\N{MALE SIGN}]")
FIRST_EMOJI = 0x2300  # signs below it, as in "5 °C" and "Acme™", are text


@dataclass(frozen=True)
class Understood:
    """What a prompt says in English, and the words in it that nothing is known about."""

    text: str
    missed: tuple[str, ...] = ()


def understand(text: str, vocabulary: Vocabulary, english: Iterable[str] = ()) -> Understood | None:
    """The English of a prompt in another language or with emoji in it; None where there is nothing
    to do, or nothing is known.

    vocabulary: what the model draws, label -> other words for it; english: more words it knows.

    >>> understand("红色背景上的一只狐狸", {"fox": ()})
    Understood(text='a fox on a red background', missed=())
    """
    known = frozenset(w.casefold() for label, more in vocabulary.items() for w in (label, *more))
    named = _name_emoji(text, known)
    for language in _languages(named, known, frozenset(english)):
        found, missed = Lexicon.of(language, known).read(named)
        said = sentence(found, WORDS.get(language))
        if said:
            return Understood(said, tuple(missed))
    return Understood(named) if named != text else None


def is_foreign(text: str) -> bool:
    """Whether most letters of a prompt are not Latin ones."""
    letters = [ch for ch in text if ch.isalpha()]
    return 2 * sum(script(ch) != "LATIN" for ch in letters) > len(letters)


# Emoji


def _name_emoji(text: str, known: frozenset[str]) -> str:
    """The text with every emoji replaced by what it shows."""
    if all(ord(ch) < FIRST_EMOJI for ch in text):
        return text
    emoji, longest = _emoji()
    plain = "".join(ch for ch in text if ch not in SKIN and ch != VARIATION)
    plain = GENDER.sub("", MAN_OR_WOMAN.sub("\N{ADULT}\N{ZERO WIDTH JOINER}", plain))
    said, position, last_was_emoji, any_emoji = "", 0, False, False
    while position < len(plain):
        sizes = range(min(longest, len(plain) - position), 0, -1)
        size = next((n for n in sizes if plain[position : position + n] in emoji), 0)
        if not size:
            last_was_emoji = last_was_emoji and plain[position].isspace()
            said += plain[position]
            position += 1
            continue
        shown = english_name(emoji[plain[position : position + size]], known)
        if last_was_emoji:
            shown = f"and {with_article(shown)}"
        elif not re.search(r"\b(an?|the|one|two|three|four|his|her|my|your)( \w+)?\s*$", said):
            shown = with_article(shown)
        said = f"{said.rstrip()} {shown} "
        position += size
        last_was_emoji = any_emoji = True
    return " ".join(said.split()) if any_emoji else text


@cache
def _emoji() -> tuple[dict[str, str], int]:
    """Concepts by their characters, and the most characters one has."""
    found = {}
    for hexcode in table()["names"]:
        codes = [int(part, 16) for part in hexcode.split("-")]
        characters = "".join(chr(code) for code in codes).replace(VARIATION, "")
        if ord(max(characters)) >= FIRST_EMOJI:
            found[characters] = hexcode
    return found, max(map(len, found))


# Which language


def _languages(text: str, known: frozenset[str], english: frozenset[str]) -> list[str]:
    """The languages a text may be in, the likeliest first; none if it is English."""
    scripts = {script(ch) for ch in text if ch.isalpha()} - {"LATIN", "OTHER"}
    if scripts:
        first = next(name for name in SCRIPTS if name in scripts)  # kana before Han
        return sorted(SCRIPTS[first], key=lambda name: Lexicon.of(name, known).misfit(text))
    words = words_in(text)
    plain = ENGLISH | english | {word for phrase in known for word in words_in(phrase)}
    if 2 * sum(word in plain for word in words) >= len(words):
        return []  # most prompts: the table is not even read
    plain |= _english_words()
    in_english, most, best = sum(word in plain for word in words), 0, ""
    for language in LATIN:
        lexicon = Lexicon.of(language, known)
        found, missed = lexicon.read(text)
        hits = len(words) - len(missed)
        foreign = [word.kind for phrase, word in found if phrase not in plain]
        if hits <= max(in_english, len(missed)) or not ("thing" in foreign or len(foreign) > 1):
            continue
        exact = sum(phrase in lexicon.phrases for phrase, _ in found)
        taught = sum(word.kind == "thing" and word.value in known for _, word in found)
        if hits + exact + taught > most:
            most, best = hits + exact + taught, language
    return [best] if best else []


@cache
def _english_words() -> frozenset[str]:
    """Every word of an English label or keyword."""
    phrases = (phrase for entry in table()["languages"]["en"] for phrase in entry)
    return frozenset(word for phrase in phrases for word in words_in(phrase))
