"""Who a caption says it shows: presentation, age, skin tone and role, by its words alone.

Only what is written counts: "a doctor" says nothing of presentation, age or skin, whoever is drawn.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

UNSTATED, SEVERAL = "unstated", "several"
ATTRIBUTES = ("presentation", "age", "skin")

Aims = Mapping[str, Mapping[str, float]]
"""attribute -> value -> share, those of an attribute add up to 1."""

PRESENTATIONS = {
    "woman": "woman women girl girls lady ladies female mother mom grandmother grandma wife sister "
    "daughter queen princess actress waitress businesswoman policewoman firewoman bride mermaid",
    "man": "man men boy boys gentleman male father dad grandfather grandpa husband brother son "
    "king prince actor waiter businessman policeman fireman groom merman",
}
AGES = {
    "child": "child children kid kids girl girls boy boys baby babies toddler son daughter",
    "older": "older elderly grandmother grandma grandfather grandpa senior",
}
SKINS = ("light", "medium-light", "medium", "medium-dark", "dark")
VALUES = {"presentation": tuple(PRESENTATIONS), "age": tuple(AGES), "skin": SKINS}
PEOPLE = "person people adult adults someone human family couple"

# What people do, as captions and prompts say it; the first is the role's name.
ROLES = (
    "artist, painter", "astronaut, cosmonaut", "athlete", "baker", "builder, construction worker",
    "carpenter", "cashier", "chef, cook, cooks, cooking", "cleaner", "cyclist, biking, cycling",
    "dancer, dancing", "detective", "doctor, health worker, physician, surgeon", "driver",
    "engineer", "factory worker", "farmer, gardener", "firefighter", "fisherman", "guard",
    "hairdresser", "journalist", "judge", "lawyer", "mechanic", "miner", "ninja", "nurse",
    "office worker", "parent", "photographer", "pilot", "plumber", "police officer", "politician",
    "runner, running", "scientist", "secretary", "shop assistant", "singer", "soldier", "student",
    "superhero", "supervillain", "surfer, surfing", "swimmer, swimming", "tailor",
    "teacher", "technologist, programmer", "waiter, waitress", "weightlifter, lifting weights",
    "worker", "writer",
)  # fmt: skip
# Things whose names have a person's word in them.
NO_PERSON = re.compile(
    r"\b(artist palette|baby (?:bottle|chick|symbol)|lady beetle|(?:fe)?male sign)\b"
)


def _any_of(words: Iterable[str]) -> re.Pattern[str]:
    """One of the words, as a word, and not as an owner ("man's shoe")."""
    longest_first = sorted(words, key=len, reverse=True)
    return re.compile(rf"\b({'|'.join(map(re.escape, longest_first))})\b(?!['\u2019]s)")


_ROLE_NAMES = {word: role.split(", ")[0] for role in ROLES for word in role.split(", ")}
_ROLE = _any_of(_ROLE_NAMES)
_PRESENTATION = {name: _any_of(words.split()) for name, words in PRESENTATIONS.items()}
_AGE = {name: _any_of(words.split()) for name, words in AGES.items()}
_OLD = re.compile(r"\bold (?:wo)?m[ae]n\b|\bold(?:er)? (?:person|people|adult|lady)\b")
_TONES = "|".join(sorted(SKINS, key=len, reverse=True))
_SKIN = re.compile(rf"(?<![\w-])({_TONES})[- ]skin(?:ned)?\b")
_PERSON = _any_of(PEOPLE.split())


@dataclass(frozen=True)
class Person:
    """What a caption says of the people it names.

    presentation: woman, man; age: child, older; skin: one of `SKINS`; role: one of `ROLES`. Each is
    `UNSTATED` where no word tells it, and `SEVERAL` where the words tell more than one.
    """

    presentation: str = UNSTATED
    age: str = UNSTATED
    skin: str = UNSTATED
    role: str = UNSTATED

    def value(self, attribute: str) -> str:
        """The value of one of `ATTRIBUTES`, or the role."""
        return str(getattr(self, attribute))


def person_in(caption: str) -> Person | None:
    """The people that a caption names; None if it names none.

    >>> person_in("woman health worker: dark skin tone")
    Person(presentation='woman', age='unstated', skin='dark', role='doctor')
    >>> person_in("a man's shoe") is None
    True
    """
    text = NO_PERSON.sub(" ", caption.lower())
    skin = _one(_SKIN.findall(text))
    rest = _SKIN.sub(" ", text)
    presentation = _one(name for name, words in _PRESENTATION.items() if words.search(rest))
    ages = [name for name, words in _AGE.items() if words.search(rest)]
    age = _one([*ages, "older"] if _OLD.search(rest) else ages)
    roles = _ROLE.findall(rest)
    role = _one(_ROLE_NAMES[word] for word in roles)
    found = Person(presentation, age, skin, role)
    # "cooking" alone is no person, "a person cooking" is
    named = presentation != UNSTATED or age != UNSTATED or skin != UNSTATED
    named = named or any(not word.endswith("ing") for word in roles)
    return found if named or _PERSON.search(rest) else None


def aims_of(given: Mapping[str, Mapping[str, float] | Literal["equal"]]) -> Aims:
    """Shares that add up to 1 of what is given in any measure; "equal" for all values alike.

    Raises:
        ValueError: an attribute or a value that nobody knows, or shares that are none.

    >>> aims_of({"presentation": {"woman": 3, "man": 1}})
    {'presentation': {'woman': 0.75, 'man': 0.25}}
    """
    aims: dict[str, dict[str, float]] = {}
    for attribute, shares in given.items():
        known = VALUES.get(attribute)
        if known is None:
            raise ValueError(f"no attribute {attribute!r}: choose from {', '.join(VALUES)}")
        told = dict.fromkeys(known, 1.0) if shares == "equal" else dict(shares)
        unknown = [value for value in told if value not in known]
        if unknown:
            raise ValueError(f"{attribute} {unknown[0]!r}: choose from {', '.join(known)}")
        total = sum(told.values())
        if not 0 < total < float("inf") or min(told.values()) < 0:
            raise ValueError(f"{attribute}: shares must add up to more than 0, none below 0")
        aims[attribute] = {value: share / total for value, share in told.items()}
    return aims


def _one(values: Iterable[str]) -> str:
    found = set(values)
    return found.pop() if len(found) == 1 else SEVERAL if found else UNSTATED


def phrase(values: Mapping[str, str]) -> str:
    """Attributes as words that captions use; "" if there is nothing to say.

    >>> phrase({"presentation": "woman", "skin": "dark", "age": "older"})
    'an older woman with dark skin'
    >>> phrase({"skin": "medium-light"})
    'a person with medium-light skin'
    """
    told = {name: value for name, value in values.items() if value != UNSTATED}
    presentation, age = told.get("presentation"), told.get("age")
    if age == "child":
        noun = {"woman": "girl", "man": "boy", None: "child"}.get(presentation, "child")
    else:
        noun = presentation or "person"
    if not told:
        return ""
    start = f"an older {noun}" if age == "older" else f"a {noun}"
    return f"{start} with {told['skin']} skin" if "skin" in told else start
