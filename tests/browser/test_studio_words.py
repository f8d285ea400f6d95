"""Where the words of a picture went, and what the model knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from helpers.studio import draft, share, write

if TYPE_CHECKING:
    from playwright.sync_api import Page

PROMPT = "a red fox and a rocket on a light blue background"


def test_a_word_shows_where_it_went_and_becomes_a_region(studio: Page) -> None:
    write(studio, PROMPT)
    draft(studio)
    studio.locator(".tile").nth(1).click()
    studio.get_by_label("Show this one large").click()
    word = studio.locator(".word-list").get_by_role("button", name="Take the place of rocket")
    word.hover()
    studio.wait_for_selector("canvas.attention")
    word.click()
    assert 0 < int(share(studio, "rocket").removesuffix(" %")) < 60
    assert studio.get_by_label("Keep this seed").get_attribute("aria-pressed") == "true"


def test_a_prompt_of_unknown_things_is_refused_in_words(studio: Page) -> None:
    write(studio, "qwertz uiop")
    studio.get_by_role("button", name="Draft").click()
    assert "nothing is known in" in studio.get_by_role("alert").inner_text()


def test_the_vocabulary_is_browsed(studio: Page) -> None:
    write(studio, "a fox")
    studio.locator(".vocabulary summary").click()
    studio.locator(".word", has_text="umbrella").click()
    assert studio.input_value("#prompt") == "a fox and an umbrella"
