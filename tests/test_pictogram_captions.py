"""The words of captions: articles, plurals, styles."""

from __future__ import annotations

import pytest

from ediffi.pictogram.captions import STYLES
from ediffi.pictogram.entities import Entity, Named
from ediffi.pictogram.grammar import article, plural


@pytest.mark.parametrize(
    "phrase",
    """a fox; an owl; an orange fox; a unicorn; an umbrella; an hourglass; grapes; cherries;
    an octopus; a cactus; a bus; a magnifying glass; glasses; sushi; a rice ball; popcorn;
    a slice of pizza; a cup of coffee; an ear of corn; a cake with candles; a t-shirt; a sheep;
    a rhinoceros; yellow cheese; a ukulele; an ewe lamb; french fries""".replace("\n", " ").split(
        ";"
    ),
)
def test_articles(phrase: str) -> None:
    phrase = " ".join(phrase.split())
    bare = phrase.removeprefix("an ").removeprefix("a ")
    if phrase == "an ewe lamb":  # by sound: "you"
        phrase = "a ewe lamb"
    assert article(bare) == phrase


def test_every_style_has_words() -> None:
    from ediffi.pictogram.sources import PICTOGRAM

    assert {p.style for p in PICTOGRAM if p.style} == set(STYLES)


@pytest.mark.parametrize(
    ("one", "many"),
    [("fox", "foxes"), ("cherry", "cherries"), ("monkey", "monkeys"), ("potato", "potatoes"),
     ("slice of pizza", "slices of pizza"), ("cake with candles", "cakes with candles"),
     ("leaf", "leaves"), ("fish", "fish"), ("bus", "buses"), ("kangaroo", "kangaroos")],
)  # fmt: skip
def test_plurals(one: str, many: str) -> None:
    assert plural(one) == many


@pytest.mark.parametrize(
    ("label", "count", "several"),
    [("popcorn", 1, False), ("fries", 1, True), ("fox", 1, False), ("fox", 2, True)],
)
def test_is_and_are(label: str, count: int, several: bool) -> None:
    entity = Entity((label,), tuple(range(count)))
    named = Named(entity, label, None, None, article=article(label) != label)
    assert named.several == several
