"""The held-out rule, against its closed form written out once more."""

from __future__ import annotations

import hashlib

import pytest

from ediffi.data.heldout import drawing, half, is_concept_held_out, is_held_out
from ediffi.pictogram.composer import vocabulary


def number(text: str) -> int:
    return int(hashlib.sha256(text.encode()).hexdigest(), 16)


HEXCODES = [f"{0x1F300 + i:X}" for i in range(700)]


@pytest.mark.parametrize(
    ("style", "name"),
    [
        ("fluent-emoji", "fluent"),
        ("fluent-emoji-flat", "fluent"),
        ("fluent-emoji-high-contrast", "fluent"),
        ("fluent-emoji-3d", "fluent"),
        ("emojione", "emojione"),
        ("emojione-monotone", "emojione"),
        ("noto", "noto"),
        ("noto-v1", "noto-v1"),
        ("twemoji", "twemoji"),
        ("fxemoji", "fxemoji"),
        ("streamline-emojis", "streamline-emojis"),
    ],
)
def test_rule_is_the_closed_form(style: str, name: str) -> None:
    assert drawing(style) == name
    for hexcode in HEXCODES:
        concept = number(hexcode) % 50 == 0
        cell = number(f"{hexcode}|{name}") % 20 == 0
        assert is_concept_held_out(hexcode) == concept
        assert is_held_out(hexcode, style) == (concept or cell)
        assert half(hexcode, style) == number(f"half|{hexcode}|{name}") % 2


def test_known_cases() -> None:
    assert is_concept_held_out("1F987") and is_held_out("1F987", "noto")  # bat
    assert not is_concept_held_out("1F98A") and not is_concept_held_out("1F680")


def test_styles_of_one_drawing_are_on_one_side() -> None:
    for hexcode in HEXCODES:
        assert is_held_out(hexcode, "fluent-emoji") == is_held_out(hexcode, "fluent-emoji-3d")


def test_shares_are_about_one_in_twenty_and_one_in_two() -> None:
    cells = sum(is_held_out(h, "noto") for h in HEXCODES) / len(HEXCODES)
    halves = sum(half(h, "noto") for h in HEXCODES) / len(HEXCODES)
    assert 0.04 < cells < 0.11
    assert 0.45 < halves < 0.55


def test_vocabulary_has_no_held_out_concept_and_has_what_the_examples_use() -> None:
    words = vocabulary()
    assert 100 <= len(words) <= 250
    assert not [label for hexcode, label in words.items() if is_concept_held_out(hexcode)]
    assert {"fox", "rocket", "avocado"} <= set(words.values())
    assert len(set(words.values())) == len(words)
