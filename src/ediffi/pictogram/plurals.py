"""Nouns in the plural, and which nouns can be counted at all."""

from __future__ import annotations

import re

from ediffi.pictogram.captions import article

NUMBERS = ("zero", "one", "two", "three", "four")
IRREGULAR = {
    "mouse": "mice", "goose": "geese", "ox": "oxen", "tooth": "teeth", "foot": "feet",
    "leaf": "leaves", "wolf": "wolves", "knife": "knives", "loaf": "loaves", "calf": "calves",
    "scarf": "scarves", "man": "men", "woman": "women", "person": "people", "child": "children",
    "fish": "fish", "sheep": "sheep", "deer": "deer", "bison": "bison", "squid": "squid",
    "salmon": "salmon", "shrimp": "shrimp", "aircraft": "aircraft", "die": "dice",
    "yo-yo": "yo-yos", "piano": "pianos", "taco": "tacos", "avocado": "avocados",
    "kangaroo": "kangaroos", "flamingo": "flamingos", "burrito": "burritos", "photo": "photos",
    "hippopotamus": "hippopotamuses", "cactus": "cacti", "octopus": "octopuses",
}  # fmt: skip
COUNTED_GROUPS = ("animals-nature", "food-drink", "travel-places", "activities", "objects")
UNCOUNTED_SUBGROUPS = ("time", "sky-weather", "place-geographic", "place-map")
_TAIL = re.compile(r" (?:of|with|in|on|and) .*")


def plural(phrase: str) -> str:
    """Several of it: the noun before "of", "with", ... takes the ending.

    >>> plural("fox"), plural("slice of pizza"), plural("butterfly"), plural("computer mouse")
    ('foxes', 'slices of pizza', 'butterflies', 'computer mice')
    """
    match = _TAIL.search(phrase)
    head, tail = (phrase[: match.start()], match.group()) if match else (phrase, "")
    first, space, last = head.rpartition(" ")
    return f"{first}{space}{_plural_word(last)}{tail}"


def _plural_word(word: str) -> str:
    if word in IRREGULAR:
        return IRREGULAR[word]
    if word.endswith(("s", "x", "z", "ch", "sh")):
        return f"{word}es"
    if word.endswith("y") and word[-2:-1] not in "aeiou":
        return f"{word[:-1]}ies"
    if word.endswith("o") and word[-2:-1] not in "aeiou":
        return f"{word}es"
    return f"{word}s"


def countable(phrase: str, group: str, subgroup: str) -> bool:
    """Whether several of it can be spoken of: a thing, neither stuff nor plural already."""
    known = group in COUNTED_GROUPS and subgroup not in UNCOUNTED_SUBGROUPS
    return known and article(phrase) != phrase and " and " not in phrase
