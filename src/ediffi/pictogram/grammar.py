"""English as far as captions need it: articles, plurals, colour words."""

from __future__ import annotations

import re

# Things that take no article, besides the plurals in -s.
MASS = frozenset(
    "bacon bread broccoli butter cheese chocolate clothing coffee corn fire fog garlic ginger "
    "honey ice lightning luggage milk money popcorn rain rice sake salt snow soap spaghetti "
    "sushi tea thread tofu underwear wind wood yarn".split()
)
PLURAL = frozenset({"people", "men", "women", "feet"})
SINGULAR_S = ("ss", "us", "is", "as")  # glass, cactus, tennis, canvas
SINGULAR_WORDS = frozenset({"lens", "rhinoceros"})
VOWEL_SOUND = ("hour", "honest", "heir")
CONSONANT_SOUND = ("uni", "use", "eur", "ewe", "one-", "uk")
COLOUR_WORDS = frozenset(
    "black blue brown gold golden gray green grey orange pink purple red silver white "
    "yellow".split()
)
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


def without_colours(label: str) -> str:
    """The label less its colour words, unless it is nothing else.

    >>> without_colours("red apple"), without_colours("orange")
    ('apple', 'orange')
    """
    return " ".join(word for word in label.split() if word not in COLOUR_WORDS) or label


def article(phrase: str) -> str:
    """The phrase with a, an, or nothing before it.

    >>> article("owl"), article("unicorn"), article("grapes"), article("octopus")
    ('an owl', 'a unicorn', 'grapes', 'an octopus')
    """
    last = _noun(phrase)
    if is_mass(phrase) or PLURAL.intersection(phrase.split()):
        return phrase
    if last.endswith("s") and not last.endswith(SINGULAR_S) and last not in SINGULAR_WORDS:
        return phrase
    return f"{indefinite(phrase)} {phrase}"


def is_mass(phrase: str) -> bool:
    """Whether it takes no article and "is".

    >>> is_mass("popcorn"), is_mass("fries"), is_mass("ear of corn")
    (True, False, False)
    """
    return _noun(phrase) in MASS


def _noun(phrase: str) -> str:
    """Of "slice of pizza" and "cake with candles" the first noun decides."""
    return re.split(" of | with | in ", phrase)[0].split()[-1]


def indefinite(phrase: str) -> str:
    """`a` or `an`, by sound as far as spelling tells."""
    if phrase.startswith(VOWEL_SOUND):
        return "an"
    if phrase.startswith(CONSONANT_SOUND):
        return "a"
    return "an" if phrase[0] in "aeiou" else "a"


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
