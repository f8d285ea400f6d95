"""Saying in English what the phrases of a prompt were: things, colours, places, a background."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ediffi.language.function_words import INVERSE, FunctionWords
from ediffi.language.lexicon import Found, Word
from ediffi.language.tracked import Span, Tracked

COUNTS = ("", "one", "two", "three", "four")


Piece = tuple[str, Span | None]


@dataclass
class _Thing:
    name: Piece
    count: int = 1
    counted: Span | None = None
    colour: Piece | None = None
    link: Piece = ("and", None)  # to the thing before

    def pieces(self) -> list[Piece]:
        """What is said of it, and the spans of the prompt that say so."""
        name, span = self.name
        words = f"{self.colour[0]} {name}" if self.colour else name
        first = with_article(words).split()[0] if self.count == 1 else COUNTS[self.count]
        last = name if self.count == 1 else _plural(name)
        colour = [(" ", None), self.colour] if self.colour else []
        return [(first, self.counted), *colour, (" ", None), (last, span)]


def sentence(found: Sequence[Found], rules: FunctionWords | None) -> Tracked:
    """What the phrases say, in the order of the things; "" if there is nothing to draw in them."""
    words = [part.word for part in found if part.word]
    spans = [part.span for part in found if part.word]
    nouns = {i for i, w in enumerate(words) if w.kind in ("thing", "background")}
    for i, word in enumerate(words):
        if word.kind == "colour" and _bound(i, nouns, rules) is None and word.thing:
            words[i] = Word("thing", word.thing)  # a rose, not something pink
            nouns.add(i)
    things = _things(words, spans)
    behind: dict[str, Span] = {}
    for i, word in enumerate(words):
        noun = _bound(i, nouns, rules) if word.kind == "colour" else None
        if noun is not None and noun in things:
            things[noun].colour = (word.value, spans[i])
        elif noun is not None or (word.kind == "colour" and not nouns):
            behind.setdefault(word.value, spans[i])
    _place(words, spans, things, nouns, rules)
    said: list[Piece] = []
    for thing in things.values():
        said += [(" ", None), thing.link, (" ", None)] if said else []
        said += thing.pieces()
    if behind:
        ground = next((spans[i] for i, w in enumerate(words) if w.kind == "background"), None)
        said += [(" on ", None)] if said else []
        said.append((with_article(" and ".join(behind)).split()[0] + " ", None))
        for n, (colour, span) in enumerate(behind.items()):
            said += [(" and ", None)] if n else []
            said.append((colour, span))
        said += [(" ", None), ("background", ground)]
    return Tracked.joined(said)


def _things(words: Sequence[Word], spans: Sequence[Span]) -> dict[int, _Thing]:
    """The things among the words, each with the count before it."""
    things: dict[int, _Thing] = {}
    count: tuple[int, Span | None] = (1, None)
    for i, word in enumerate(words):
        if word.kind == "count":
            count = int(word.value), spans[i]
        elif word.kind == "thing":
            things[i] = _Thing((word.value, spans[i]), *count)
            count = (1, None)
        elif word.kind == "background":
            count = (1, None)
    return things


def _bound(i: int, nouns: set[int], rules: FunctionWords | None) -> int | None:
    """The noun that a colour at i belongs to."""
    after = min((n for n in nouns if n > i), default=None)
    before = max((n for n in nouns if n < i), default=None)
    if rules is None or rules.colour_first:
        return before if after is None else after
    return before


def _place(
    words: Sequence[Word],
    spans: Sequence[Span],
    things: dict[int, _Thing],
    nouns: set[int],
    rules: FunctionWords | None,
) -> None:
    """Link things by the places between them."""
    order = list(things)
    for i, word in enumerate(words):
        if word.kind != "place":
            continue
        before = max((n for n in nouns if n < i), default=None)
        after = min((n for n in nouns if n > i), default=None)
        of_thing = before if rules and rules.place_last else after
        if before not in things or of_thing not in things:  # on a background, or of nothing
            continue
        if after in things:
            link = INVERSE[word.value] if rules and rules.place_last else word.value
            things[after].link = (link, spans[i])
        elif len(order) > 1 and before == order[-1]:  # fox, rocket, beside
            things[before].link = (word.value, spans[i])


def with_article(words: str) -> str:
    return f"{'an' if words[:1].casefold() in tuple('aeio') else 'a'} {words}"


def _plural(words: str) -> str:
    if words.endswith(("s", "x", "ch", "sh")):
        return words if words.endswith("s") else f"{words}es"
    return f"{words[:-1]}ies" if words.endswith(("rry", "tty", "ppy", "nny")) else f"{words}s"
