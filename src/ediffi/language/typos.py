"""Words that are nearly known ones."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from rapidfuzz import process
from rapidfuzz.distance import OSA

from ediffi.encoders.prompt import EncodesText
from ediffi.language.lexicon import table, words_in
from ediffi.language.vocabulary import COLOURS, Vocabulary, stem, words_of

SHORTEST = 3  # letters of a word that is mended
LONG = 7  # letters from which on two mistakes are forgiven


def mend(word: str, vocabulary: Vocabulary, encoder: Callable[[], EncodesText]) -> str | None:
    """The one known word that an unknown one is a slip of the keyboard away from: a letter too
    many, too few, wrong, or two exchanged (optimal string alignment distance 1, or 2 in words of
    7 letters); None where there is none, or more than one, or it is a word itself.

    encoder: a word is what it has a token of its own for, or what emojibase says in English.
    """
    if len(word) < SHORTEST or word in _english_words() or _is_token(word, encoder()):
        return None
    most = 2 if len(word) >= LONG else 1
    names = {word for name in vocabulary.names for word in words_of(name)}
    others = {word for phrase in vocabulary.words for word in words_of(phrase)} | COLOURS
    for known in (names, others):  # things before what is said of them
        near = process.extract(word, known, scorer=OSA.distance, score_cutoff=most, limit=None)
        nearest = {stem(name): name for name, distance, _ in near if distance == near[0][1]}
        if len(nearest) == 1:
            return next(iter(nearest.values()))
        if nearest:
            return None
    return None


def _is_token(word: str, encoder: EncodesText) -> bool:
    return sum(end > start for start, end in encoder.offsets(word)) == 1


@cache
def _english_words() -> frozenset[str]:
    """Every word of emojibase's English labels and keywords."""
    entries = table()["languages"]["en"]
    return frozenset(w for entry in entries for phrase in entry for w in words_in(phrase))
