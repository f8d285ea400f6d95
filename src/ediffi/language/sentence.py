"""Saying in English what the phrases of a prompt were: things, colours, places, a background."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ediffi.language.function_words import INVERSE, FunctionWords
from ediffi.language.lexicon import Word

COUNTS = ("", "one", "two", "three", "four")


@dataclass
class _Thing:
    name: str
    count: int = 1
    colour: str = ""
    link: str = "and"  # to the thing before

    def __str__(self) -> str:
        words = f"{self.colour} {self.name}".strip()
        return with_article(words) if self.count == 1 else f"{COUNTS[self.count]} {_plural(words)}"


def sentence(found: Sequence[tuple[str, Word]], rules: FunctionWords | None) -> str:
    """What the phrases say, in the order of the things; "" if there is nothing to draw in them."""
    words = [word for _, word in found]
    nouns = {i for i, w in enumerate(words) if w.kind in ("thing", "background")}
    for i, word in enumerate(words):
        if word.kind == "colour" and _bound(i, nouns, rules) is None and word.thing:
            words[i] = Word("thing", word.thing)  # a rose, not something pink
            nouns.add(i)
    things: dict[int, _Thing] = {}
    behind: list[str] = []
    count = 1
    for i, word in enumerate(words):
        if word.kind == "count":
            count = int(word.value)
        elif word.kind == "thing":
            things[i], count = _Thing(word.value, count), 1
        elif word.kind == "background":
            count = 1
    for i, word in enumerate(words):
        noun = _bound(i, nouns, rules) if word.kind == "colour" else None
        if noun is not None and noun in things:
            things[noun].colour = word.value
        elif noun is not None or (word.kind == "colour" and not nouns):
            behind.append(word.value)
    _place(words, things, nouns, rules)
    parts = [str(t) if n == 0 else f"{t.link} {t}" for n, t in enumerate(things.values())]
    said = " ".join(parts)
    if behind:
        ground = f"{with_article(' and '.join(dict.fromkeys(behind)))} background"
        said = f"{said} on {ground}" if said else ground
    return said


def _bound(i: int, nouns: set[int], rules: FunctionWords | None) -> int | None:
    """The noun that a colour at i belongs to."""
    after = min((n for n in nouns if n > i), default=None)
    before = max((n for n in nouns if n < i), default=None)
    if rules is None or rules.colour_first:
        return before if after is None else after
    return before


def _place(
    words: Sequence[Word], things: dict[int, _Thing], nouns: set[int], rules: FunctionWords | None
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
            things[after].link = link
        elif len(order) > 1 and before == order[-1]:  # fox, rocket, beside
            things[before].link = word.value


def with_article(words: str) -> str:
    return f"{'an' if words[:1].casefold() in tuple('aeio') else 'a'} {words}"


def _plural(words: str) -> str:
    if words.endswith(("s", "x", "ch", "sh")):
        return words if words.endswith("s") else f"{words}es"
    return f"{words[:-1]}ies" if words.endswith(("rry", "tty", "ppy", "nny")) else f"{words}s"
