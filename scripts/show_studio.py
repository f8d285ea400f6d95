"""Take the pictures of docs/studio.md again: python -m scripts.show_studio ADDRESS.

ADDRESS: of a running `ediffi serve`. Needs the `dev` extra and the system's Chromium.
"""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

DOCS = Path(__file__).parents[1] / "docs/studio"
PROMPT = "a red fox next to a rocket, on a light blue background"
DESKTOP = {"viewport": {"width": 1280, "height": 860}, "color_scheme": "light"}
PHONE = {
    "viewport": {"width": 390, "height": 844},
    "color_scheme": "dark",
    "device_scale_factor": 2,
    "has_touch": True,
    "is_mobile": True,
}


def main(address: str) -> None:
    with sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = _opened(browser, address, DESKTOP)
        _draft(page)
        page.locator(".tile").nth(1).click()
        _save(page, "drafts")
        _paint(page)
        _save(page, "paint")
        page.get_by_role("button", name="Picture", exact=True).click()
        page.get_by_role("button", name="Upscale this one").click()
        page.wait_for_selector("text=/^1024 px, seed/")
        page.get_by_label("Compare with another picture").click()
        page.locator(".thumb").nth(1).click()
        page.locator(".tile").nth(1).click()
        page.mouse.move(5, 5)
        _save(page, "compare")
        page.get_by_role("button", name="Done").click()
        page.locator(".tile").nth(1).click()
        page.get_by_label("Show this one large").click()
        page.locator(".word-list button", has_text="fox").hover()
        page.wait_for_selector("canvas.attention")
        _save(page, "words")
        phone = _opened(browser, address, PHONE)
        _draft(phone)
        phone.locator(".tile").nth(3).tap()
        _save(phone, "phone", width=390)
        browser.close()


def _opened(browser: Browser, address: str, how: dict[str, Any]) -> Page:
    page = browser.new_context(**how).new_page()
    page.set_default_timeout(180_000)
    page.goto(address)
    page.wait_for_selector(".style img >> nth=10")
    page.fill("#prompt", PROMPT)
    page.get_by_label("Seed", exact=True).fill("4")
    page.get_by_label("Seed", exact=True).blur()
    return page


def _draft(page: Page) -> None:
    page.get_by_role("button", name="Draft").click()
    page.wait_for_selector(".tile:not([disabled]) >> nth=8")
    page.wait_for_function(
        "() => [...document.querySelectorAll('img')].every(one => one.naturalWidth)"
    )


def _paint(page: Page) -> None:
    for words, points in (
        ("red fox", [(0.3, 0.62), (0.18, 0.5), (0.42, 0.52), (0.28, 0.72)]),
        ("rocket", [(0.62, 0.5), (0.8, 0.25), (0.85, 0.22), (0.7, 0.42)]),
    ):
        page.evaluate(
            """words => {
                const field = document.getElementById("prompt");
                const at = field.value.indexOf(words);
                field.focus();
                field.setSelectionRange(at, at + words.length);
            }""",
            words,
        )
        page.click(f"text=Paint “{words}”")
        page.get_by_label("Size").fill("110")
        box = page.locator("canvas.above").bounding_box()
        assert box is not None
        places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
        page.mouse.move(*places[0])
        page.mouse.down()
        for place in places[1:]:
            page.mouse.move(*place, steps=12)
        page.mouse.up()
    page.mouse.move(5, 5)


def _save(page: Page, name: str, width: int = 1000) -> None:
    page.wait_for_timeout(400)
    picture = Image.open(io.BytesIO(page.screenshot()))
    height = round(picture.height * width / picture.width)
    picture.resize((width, height), Image.Resampling.LANCZOS).save(
        DOCS / f"{name}.webp", quality=82
    )


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8188")
