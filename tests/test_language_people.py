"""Who captions name: read from words alone."""

from __future__ import annotations

import pytest

from ediffi.language.people import SEVERAL, UNSTATED, Person, person_in, phrase


@pytest.mark.parametrize(
    ("caption", "person"),
    [
        ("woman health worker: dark skin tone", Person("woman", skin="dark", role="doctor")),
        ("a doctor on a blue background", Person(role="doctor")),
        ("a person cooking", Person(role="chef")),
        ("two old men and a rocket", Person("man", age="older")),
        ("a girl with medium-light skin", Person("woman", age="child", skin="medium-light")),
        ("family: man, woman, boy", Person(SEVERAL, age="child")),
        ("a light-skinned and a dark-skinned farmer", Person(skin=SEVERAL, role="farmer")),
        ("a crowd of people", Person()),
    ],
)
def test_what_words_say(caption: str, person: Person) -> None:
    assert person_in(caption) == person


@pytest.mark.parametrize(
    "caption",
    ["a snowman", "a man's shoe", "women\u2019s room", "a baby chick", "cooking", "running shoe",
     "artist palette", "light blue sky over dark hills", "a lady beetle", ""],
)  # fmt: skip
def test_words_that_name_nobody(caption: str) -> None:
    assert person_in(caption) is None


@pytest.mark.parametrize("presentation", ["woman", "man", UNSTATED])
@pytest.mark.parametrize("age", ["child", "older", UNSTATED])
@pytest.mark.parametrize("skin", ["light", "medium-dark", UNSTATED])
def test_phrases_are_understood(presentation: str, age: str, skin: str) -> None:
    """What is put into words is read out of them again."""
    values = {"presentation": presentation, "age": age, "skin": skin}
    said = phrase(values)
    if set(values.values()) == {UNSTATED}:
        assert said == ""
    else:
        assert person_in(f"a doctor, {said}") == Person(presentation, age, skin, "doctor")
