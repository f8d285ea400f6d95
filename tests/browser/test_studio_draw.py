"""Drafts, upscaling, stopping, and settings that come back."""

from __future__ import annotations

import urllib.request
from typing import TYPE_CHECKING

import pytest
from helpers.studio import draft, drop, jobs, paint, place_box, share, write
from PIL import Image

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Page

PROMPT = "a red fox and a rocket on a light blue background"


def begin_a_long_job(page: Page) -> None:
    """One that is at its second stage for long."""
    write(page, PROMPT)
    page.click("text=Advanced")
    page.get_by_label("Steps of sr256").fill("200")
    page.get_by_label("Steps of sr256").blur()
    page.click("text=Draw at 1024")
    page.wait_for_selector("text=/sr256, step/")


def test_unknown_words_are_marked_and_mended(studio: Page) -> None:
    write(studio, "a hambruger on a white background")
    studio.locator(".unknown-word .offer", has_text="hamburger").click()
    assert studio.input_value("#prompt") == "a hamburger on a white background"
    studio.wait_for_selector(".unknown-word", state="detached")


def test_drafts_are_drawn_and_one_is_chosen(studio: Page, server: str) -> None:
    write(studio, PROMPT)
    studio.get_by_label("Seed", exact=True).fill("7")
    studio.get_by_label("Seed", exact=True).blur()
    draft(studio)
    job = jobs(server)[0]
    assert [image["seed"] for image in job["images"]] == list(range(7, 16))
    studio.locator(".tile").nth(2).click()
    assert "64 px, seed 9" in studio.locator(".status").inner_text()


@pytest.mark.slow
def test_seeds_are_locked_and_thrown(studio: Page, server: str) -> None:
    seed = studio.get_by_label("Seed", exact=True)
    write(studio, PROMPT)
    draft(studio)
    first = seed.input_value()
    draft(studio)
    second = seed.input_value()
    studio.get_by_label("Keep this seed").click()
    draft(studio)
    assert first != second == seed.input_value()
    studio.get_by_label("Another seed").click()
    assert seed.input_value() != second
    assert [job["request"]["seeds"] for job in jobs(server)[:2]] == 2 * [[int(second)]]


@pytest.mark.slow
def test_quality_and_stages_are_sent(studio: Page, server: str) -> None:
    write(studio, PROMPT)
    studio.click("text=Best")
    draft(studio)
    assert jobs(server)[0]["request"]["num_steps"] == [4]
    studio.click("text=Advanced")
    studio.get_by_label("Steps of base").fill("3")
    studio.get_by_label("Guidance of base").fill("2")
    studio.get_by_label("Guidance of base").blur()
    draft(studio)
    request = jobs(server)[0]["request"]
    assert (request["num_steps"], request["guidance_scale"]) == ([3], [2])


@pytest.mark.slow
def test_one_prompt_in_every_style(studio: Page, server: str) -> None:
    write(studio, PROMPT)
    studio.click("text=This prompt in every style")
    studio.wait_for_selector(".tile:not([disabled]) >> nth=10")
    captions = studio.locator(".tile .caption").all_inner_texts()
    assert len(captions) == 11 and "in noto style" in captions
    prompts = jobs(server)[0]["request"]["prompts"]
    assert prompts == [f"{PROMPT}, {caption}" for caption in captions]


@pytest.mark.slow
def test_a_style_of_the_gallery_is_put_into_the_prompt(studio: Page) -> None:
    write(studio, PROMPT)
    studio.get_by_role("button", name="line icon").click()
    studio.get_by_role("button", name="blob").click()
    assert studio.input_value("#prompt") == f"{PROMPT}, in blob style"
    studio.get_by_role("button", name="Any").click()
    assert studio.input_value("#prompt") == PROMPT


def test_stop_stops(studio: Page, server: str) -> None:
    begin_a_long_job(studio)
    studio.get_by_role("button", name="Stop", exact=True).click()
    studio.wait_for_selector("text=Stopped.")
    assert jobs(server)[0]["status"] == "cancelled"


@pytest.mark.slow
def test_a_job_goes_on_when_the_page_is_opened_again(studio: Page, server: str) -> None:
    begin_a_long_job(studio)
    studio.reload()
    studio.wait_for_selector("text=/sr256, step/")
    studio.get_by_role("button", name="Stop", exact=True).click()
    studio.wait_for_selector("text=Stopped.")


def test_settings_come_back_from_a_dropped_picture(studio: Page, server: str) -> None:
    write(studio, PROMPT)
    studio.click("text=Fast")
    paint(studio, "rocket")
    place_box(studio, 50, 0, 50, 100)
    draft(studio)
    image = jobs(server)[0]["images"][3]
    data = urllib.request.urlopen(f"{server}{image['url']}").read()
    studio.reload()
    studio.wait_for_selector("main")
    assert studio.input_value("#prompt") == ""
    drop(studio, "fox.png", data)
    studio.wait_for_selector(".chip")
    assert studio.input_value("#prompt") == PROMPT
    assert studio.get_by_label("Seed", exact=True).input_value() == str(image["seed"])
    assert share(studio, "rocket") == "50 %"
    studio.click("text=Advanced")
    assert studio.get_by_label("Steps of base").input_value() == "1"


@pytest.mark.slow
def test_another_picture_becomes_a_style(studio: Page, tmp_path: Path, server: str) -> None:
    Image.new("RGB", (80, 60), "purple").save(tmp_path / "plain.png")
    drop(studio, "plain.png", (tmp_path / "plain.png").read_bytes())
    studio.wait_for_selector(".reference img")
    assert "taken as a style" in studio.get_by_role("alert").inner_text()
    write(studio, PROMPT)
    studio.get_by_label("Strength").fill("0.5")
    draft(studio)
    request = jobs(server)[0]["request"]
    assert request["style_strength"] == 0.5
    assert request["style"]["pictures"]


@pytest.mark.slow
def test_two_pictures_are_compared(studio: Page) -> None:
    write(studio, PROMPT)
    draft(studio)
    studio.locator(".tile").nth(0).click()
    studio.get_by_label("Compare with another picture").click()
    studio.locator(".tile").nth(1).click()
    slider = studio.get_by_label("How much of the first picture is seen")
    slider.fill("20")
    assert studio.evaluate("getComputedStyle(document.querySelector('.before')).clipPath") == (
        "inset(0px 80% 0px 0px)"
    )
    studio.get_by_role("button", name="Done").click()
    studio.wait_for_selector(".grid")


@pytest.mark.slow
def test_history_is_deleted(studio: Page, server: str) -> None:
    write(studio, PROMPT)
    draft(studio)
    newest = jobs(server)[0]["id"]
    studio.once("dialog", lambda dialog: dialog.accept())
    studio.locator(".entry").first.hover()
    studio.locator(".entry").first.get_by_role("button", name="Delete").click()
    studio.wait_for_function("() => !document.querySelector('.grid')")
    assert newest not in [job["id"] for job in jobs(server)]


@pytest.mark.slow
def test_from_words_to_a_large_picture(studio: Page, server: str) -> None:
    """Type, paint, draft, choose, upscale, download."""
    write(studio, PROMPT)
    paint(studio, "red fox")
    place_box(studio, 5, 20, 40, 60)
    draft(studio)
    studio.locator(".tile").nth(4).click()
    studio.click("text=Upscale this one")
    studio.wait_for_selector("text=/^1024 px, seed/")
    job = jobs(server)[0]
    assert job["images"][0]["width"] == 1024
    with studio.expect_download() as download:
        studio.get_by_label("Download").click()
    with Image.open(download.value.path()) as picture:
        assert picture.size == (1024, 1024)
        assert picture.info["parameters"].startswith(PROMPT)
