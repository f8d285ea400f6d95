"""Text that is rewritten step by step, and knows where each character was typed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain

Span = tuple[int, int]
"""text[start:end]."""


@dataclass(frozen=True)
class Tracked:
    """text, and for each of its characters the span it comes from in the text as typed; None for
    what was typed nowhere.

    >>> rewritten = Tracked.of("a pengiun").replace((2, 9), "penguin")
    >>> rewritten.text, rewritten.follow((2, 9))
    ('a penguin', (2, 9))
    """

    text: str
    origin: tuple[Span | None, ...]

    @classmethod
    def of(cls, text: str) -> Tracked:
        """Text as it was typed."""
        return cls(text, tuple((place, place + 1) for place in range(len(text))))

    @classmethod
    def joined(cls, pieces: Iterable[tuple[str, Span | None]]) -> Tracked:
        """Pieces of text and the spans they stand for, one after the other."""
        pieces = list(pieces)
        origin = chain.from_iterable([span] * len(piece) for piece, span in pieces)
        return cls("".join(piece for piece, _ in pieces), tuple(origin))

    def replace(self, span: Span, piece: str) -> Tracked:
        """With `piece` in place of text[start:end], standing for what was typed there."""
        start, end = span
        origin = (*self.origin[:start], *[self.source(span)] * len(piece), *self.origin[end:])
        return Tracked(self.text[:start] + piece + self.text[end:], origin)

    def sub(self, pattern: str | re.Pattern[str], piece: str) -> Tracked:
        """With `piece` in place of every match of a pattern."""
        out = self
        for match in reversed(list(re.finditer(pattern, self.text))):
            out = out.replace(match.span(), piece)
        return out

    def tidied(self) -> Tracked:
        """Without the white space and commas that rewriting left over."""
        out = self.sub(r"\s+(?=[\s,.;:!?])", "").sub(r"(?:,\s*)+(?=[,.])", "")
        return out.sub(r"^[\s,;]+|[\s,;]+$", "")

    def source(self, span: Span) -> Span | None:
        """The characters as typed that text[start:end] comes from."""
        typed = [place for place in self.origin[slice(*span)] if place]
        return (min(a for a, _ in typed), max(b for _, b in typed)) if typed else None

    def follow(self, typed: Span) -> Span | None:
        """Where the typed characters [start, end) ended up: from the first to the last character
        of the text that comes from them; None if nothing does."""
        start, end = typed
        places = [
            n
            for n, (at, ch) in enumerate(zip(self.origin, self.text, strict=True))
            if at and at[0] < end and start < at[1] and not ch.isspace()
        ]
        return (places[0], places[-1] + 1) if places else None
