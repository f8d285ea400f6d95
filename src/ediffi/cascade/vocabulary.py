"""Which words of a prompt a model has never been taught."""

from __future__ import annotations

import re
import warnings

from ediffi.cascade.config import ModelConfig
from ediffi.conditioning.languages import is_foreign, understand
from ediffi.errors import Notice, UserError

WORD = re.compile(r"[^\W\d_]+")
# Words that carry no picture of their own.
FUNCTION_WORDS = frozenset(
    """a an and are as at beside between by for from has have in inside into is it its near next of
    off on one onto or over some that the their there this three to two under up very with without
    above behind below front left right top bottom middle center centre side picture image drawing
    illustration icon photo scene painting showing shows show draw""".split()
)


def unknown_words(config: ModelConfig, text: str) -> list[str]:
    """The words of `text` that occur in no label, keyword, style or caption of the training data,
    in order and once; none if the model claims no vocabulary."""
    if not config.vocabulary:
        return []
    known = {_stem(word) for word in FUNCTION_WORDS}
    for label, keywords in config.vocabulary.items():
        known |= {_stem(word) for phrase in (label, *keywords) for word in words_of(phrase)}
    for phrase in (*config.words, *config.styles):
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


def in_english(config: ModelConfig, text: str) -> str:
    """A prompt as the model reads it: emoji and other languages put into words it was taught, with
    a `Notice` that says how; English prompts, and those to a model that claims no vocabulary, as
    they are.

    Raises:
        UserError: the prompt is in another script and nothing in it is known.
    """
    if not config.vocabulary:
        return text
    more = {word for phrase in (*config.words, *config.styles) for word in words_of(phrase)}
    found = understand(text, config.vocabulary, more)
    if found is not None:
        missed = f"; nothing is known of {', '.join(found.missed)}" if found.missed else ""
        message = f"{text!r} is understood as {found.text!r}{missed}"
        warnings.warn(message, Notice, stacklevel=3)
        return found.text
    if is_foreign(text):
        raise UserError(
            f"nothing is known in {text!r}: {config.name} reads English, and the names "
            "of things in 26 other languages. `ediffi info --vocabulary` lists what it draws"
        )
    return text
