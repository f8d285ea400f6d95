"""Where a phrase stands in a prompt."""

from __future__ import annotations

import re
import string

from ediffi.core.errors import UserError
from ediffi.language import Understood
from ediffi.paint.spans import Span


def find_phrase(text: str, phrase: str) -> Span:
    """The characters of a tidy prompt that are the phrase: whole words, in any case; punctuation
    around the phrase counts only if it stands in the prompt as well.

    >>> find_phrase("a Red fox next to a foxglove", "red fox"), "a Red fox"[2:9]
    ((2, 9), 'Red fox')

    Raises:
        UserError: it does not stand there, or more than once; the message shows the choices.
    """
    bare = phrase.strip(f"{string.punctuation}{string.whitespace}")
    if not phrase.strip():
        raise UserError("a region's phrase is empty: give words of the prompt")
    found = _matches(text, phrase) or (_matches(text, bare) if bare else [])
    if not found:
        known = ", ".join(dict.fromkeys(re.findall(r"\w+", text)))
        raise UserError(f"{phrase!r} is not in the prompt. Choose among its words: {known}")
    if len(found) > 1:
        choices = ", ".join(f"[{a}, {b}] {_around(text, (a, b))!r}" for a, b in found)
        raise UserError(
            f"{phrase!r} is in the prompt {len(found)} times. "
            f"Give a longer phrase, or the span of the one you mean: {choices}"
        )
    return found[0]


def find_understood(understood: Understood, phrase: str) -> Span:
    """The characters of understood.text that are the phrase, which stands in the prompt as typed or
    in the model's words.

    Raises:
        UserError: as `find_phrase`, or the model reads nothing of it.
    """
    typed, text = understood.typed, understood.text
    if typed != text and not _matches(typed, phrase) and _matches(text, phrase):
        return find_phrase(text, phrase)
    return follow(understood, find_phrase(typed, phrase))


def follow(understood: Understood, span: Span) -> Span:
    """Where a span of the tidy prompt as typed is in what the model reads.

    Raises:
        UserError: nowhere.
    """
    found = understood.follow(span)
    if found is None:
        raise UserError(
            f"{understood.typed[slice(*span)]!r} is nothing that is drawn: the prompt is read as "
            f"{understood.text!r}"
        )
    return found


def tidy_span(text: str, span: Span) -> Span:
    """A span of a prompt as the user wrote it, in the same prompt with its white space tidied.

    >>> tidy_span("  a red\\n fox", (9, 12))  # "fox"
    (6, 9)

    Raises:
        UserError: outside the prompt, or nothing but spaces.
    """
    start, end = span
    if not 0 <= start < end <= len(text) or not text[start:end].strip():
        raise UserError(
            f"the span [{start}, {end}] marks no words of the prompt, which has {len(text)} "
            "characters: give [first, last + 1], counted from 0"
        )
    letters = [place for place, ch in enumerate(" ".join(text.split())) if ch != " "]
    before = len("".join(text[:start].split()))
    inside = len("".join(text[start:end].split()))
    return letters[before], letters[before + inside - 1] + 1


def _matches(text: str, phrase: str) -> list[Span]:
    pattern = r"\s+".join(map(re.escape, phrase.split()))
    if phrase.isascii():  # scripts without spaces between words have no whole words to look for
        pattern = rf"(?<!\w){pattern}(?!\w)"
    return [match.span() for match in re.finditer(pattern, text, re.IGNORECASE)]


def _around(text: str, span: Span) -> str:
    """A span with the words beside it."""
    return " ".join(
        [*text[: span[0]].split()[-2:], text[slice(*span)], *text[span[1] :].split()[:2]]
    )
