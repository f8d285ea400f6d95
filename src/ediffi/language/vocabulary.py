"""Which words of a prompt a model has never been taught."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Mapping, Sequence

from ediffi.core.errors import Notice, UserError
from ediffi.language.languages import is_foreign, understand

WORD = re.compile(r"[^\W\d_]+")
# Words that carry no picture of their own.
FUNCTION_WORDS = frozenset(
    """a an and are as at beside between by for from has have in inside into is it its near next of
    off on one onto or over some that the their there this three to two under up very with without
    above behind below front left right top bottom middle center centre side picture image drawing
    illustration icon photo scene painting showing shows show draw""".split()
)


def unknown_words(
    text: str, vocabulary: Mapping[str, Sequence[str]], phrases: Iterable[str]
) -> list[str]:
    """The words of `text` that occur in no label or keyword of a vocabulary and in none of the
    other phrases of a model's training captions, in order and once; none without a vocabulary."""
    if not vocabulary:
        return []
    known = {_stem(word) for word in FUNCTION_WORDS}
    for label, keywords in vocabulary.items():
        known |= {_stem(word) for phrase in (label, *keywords) for word in words_of(phrase)}
    for phrase in phrases:
        known |= {_stem(word) for word in words_of(phrase)}
    return [word for word in dict.fromkeys(words_of(text)) if _stem(word) not in known]


def words_of(text: str) -> list[str]:
    """Lower-case words of at least two letters."""
    return [word for word in WORD.findall(text.lower()) if len(word) > 1]


def _stem(word: str) -> str:
    """The word without a plural ending: foxes, fox; berries, berry; trees, tree."""
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("xes", "ches", "shes", "sses")):
        return word[:-2]
    if word.endswith("s") and not word.endswith(("ss", "us")) and len(word) > 3:
        return word[:-1]
    return word


def in_english(
    text: str, vocabulary: dict[str, tuple[str, ...]], phrases: Iterable[str], model: str
) -> str:
    """A prompt as a model reads it: emoji and other languages put into words it was taught, with
    a `Notice` that says how; English prompts, and those to a model that claims no vocabulary, as
    they are. phrases: others that it was taught; model: its name, for messages.

    Raises:
        UserError: the prompt is in another script and nothing in it is known.
    """
    if not vocabulary:
        return text
    more = {word for phrase in phrases for word in words_of(phrase)}
    found = understand(text, vocabulary, more)
    if found is not None:
        missed = f"; nothing is known of {', '.join(found.missed)}" if found.missed else ""
        message = f"{text!r} is understood as {found.text!r}{missed}"
        warnings.warn(message, Notice, stacklevel=3)
        return found.text
    if is_foreign(text):
        raise UserError(
            f"nothing is known in {text!r}: {model} reads English, and the names "
            "of things in 26 other languages. `ediffi info --vocabulary` lists what it draws"
        )
    return text
