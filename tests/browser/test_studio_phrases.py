"""How phrases of the prompt follow what is typed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page


@pytest.fixture(scope="module")
def phrases(browser: Any, server: str) -> Any:
    """Calls a function of phrases.js."""
    context = browser.new_context()
    page: Page = context.new_page()
    page.goto(server)

    def call(name: str, *args: object) -> Any:
        script = "([name, args]) => import('/studio/js/phrases.js').then(m => m[name](...args))"
        return page.evaluate(script, [name, args])

    yield call
    context.close()


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ("a big red fox on grass", "red fox"),  # before it
        ("a red fox on wet grass", "red fox"),  # behind it
        ("a red foxes on grass", "red foxes"),  # its own word goes on
        ("a red arctic fox on grass", "red arctic fox"),  # inside
        ("a blue fox on grass", "blue fox"),  # its own word is another
        ("a red  fox on grass", "red  fox"),
        ("a red, fox on grass", "red, fox"),
        ("a fox on grass", "fox"),  # its first word is gone
        ("a cat on grass", "cat"),  # retyped whole
    ],
)
def test_a_phrase_follows_an_edit(phrases: Any, after: str, expected: str) -> None:
    before = "a red fox on grass"
    (region,) = phrases("follow", [{"text": "red fox", "start": 2, "end": 9}], before, after)
    assert after[region["start"] : region["end"]] == expected == region["text"]


def test_deleted_words_are_kept_and_found_again(phrases: Any) -> None:
    region = {"text": "fox", "start": 2, "end": 5}
    (gone,) = phrases("follow", [region], "a fox runs", "a  runs")
    assert (gone["start"], gone["text"]) == (None, "fox")
    (back,) = phrases("follow", [gone], "a  runs", "here runs a fox")
    assert (back["start"], back["end"]) == (12, 15)


def test_a_phrase_is_replaced_whole(phrases: Any) -> None:
    region = {"text": "grass", "start": 9, "end": 14}
    (snow,) = phrases("follow", [region], "a fox on grass", "a fox on snow")
    assert (snow["start"], snow["end"], snow["text"]) == (9, 13, "snow")


@pytest.mark.parametrize(
    ("selected", "words"),
    [((2, 5), "red"), ((3, 4), "red"), ((1, 6), "red"), ((4, 8), "red fox"), ((5, 6), None)],
)
def test_a_selection_is_of_whole_words(
    phrases: Any, selected: tuple[int, int], words: str | None
) -> None:
    text = "a red fox"
    span = phrases("wholeWords", text, *selected)
    assert (span and text[span["start"] : span["end"]]) == words


def test_offsets_are_counted_in_characters_for_the_server(phrases: Any) -> None:
    text = "🦊🦊 and a cat"
    units = text.encode("utf-16-le").index("cat".encode("utf-16-le")) // 2
    assert phrases("codePoints", text, units) == text.index("cat")
    assert phrases("codeUnits", text, text.index("cat")) == units


def test_one_style_stands_in_the_prompt(phrases: Any) -> None:
    known = ["in noto style", "as a line icon", "line icon"]
    told = phrases("withStyle", "a fox, as a line icon, at night", "in noto style", known)
    assert told == "a fox, at night, in noto style"
    assert phrases("withStyle", told, None, known) == "a fox, at night"
