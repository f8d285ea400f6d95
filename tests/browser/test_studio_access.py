"""For everyone: keyboard alone, phones, contrast, names, and a key where the server wants one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from helpers.process import serving
from helpers.studio import draft, paint, place_box, share, write

if TYPE_CHECKING:
    from playwright.sync_api import Page

PROMPT = "a red fox and a rocket on a light blue background"
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
DESKTOP = {"viewport": {"width": 1280, "height": 860}}


def violations(page: Page) -> list[str]:
    """axe's serious findings."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {[node['html'][:120] for node in one['nodes']]}"
        for one in found
        if one["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize(
    ("scheme", "device"),
    [
        pytest.param("light", DESKTOP, id="light-desktop"),
        pytest.param("dark", PHONE, id="dark-phone"),
        pytest.param("dark", DESKTOP, id="dark-desktop", marks=pytest.mark.slow),
        pytest.param("light", PHONE, id="light-phone", marks=pytest.mark.slow),
    ],
)
def test_axe_finds_nothing_serious(open_studio: Any, scheme: str, device: dict[str, Any]) -> None:
    pytest.importorskip("axe_playwright_python")
    page = open_studio(color_scheme=scheme, **device)
    page.wait_for_selector("main")
    assert violations(page) == []
    write(page, f"{PROMPT} with a gralf")
    page.wait_for_selector(".unknown-word")
    page.click("text=Advanced")
    draft(page)
    page.locator(".tile").nth(1).click()
    assert violations(page) == []
    page.get_by_label("Show this one large").click()
    page.wait_for_selector(".word-list")
    page.locator(".word-list button").first.focus()
    assert violations(page) == []
    paint(page, "red fox")
    place_box(page, 10, 10, 30, 30)
    assert violations(page) == []


def test_a_phone_scrolls_in_one_direction_and_has_large_targets(open_studio: Any) -> None:
    page = open_studio(**PHONE)
    page.wait_for_selector("main")
    write(page, PROMPT)
    draft(page)
    page.locator(".tile").nth(1).tap()
    for mode in ("Picture", "Paint"):
        page.get_by_role("button", name=mode, exact=True).tap()
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        small = page.evaluate(
            """() => [...document.querySelectorAll("button, input:not([hidden]), summary, select")]
                .filter(one => one.offsetParent && !one.closest("label"))
                .map(one => [one.outerHTML.slice(0, 90), one.getBoundingClientRect()])
                .filter(([, box]) => Math.min(box.width, box.height) < 24).map(([html]) => html)"""
        )
        assert small == []
    assert page.evaluate("getComputedStyle(document.querySelector('.above')).touchAction") == "none"


def test_a_finger_paints(open_studio: Any) -> None:
    page = open_studio(**PHONE)
    page.wait_for_selector("main")
    write(page, PROMPT)
    paint(page, "red fox")
    page.locator("canvas.above").tap(position={"x": 120, "y": 120})
    assert share(page, "red fox") != "nothing painted yet"


def test_keys_alone_are_enough(studio: Page) -> None:
    def tab_to(label: str) -> None:
        for _ in range(80):
            studio.keyboard.press("Tab")
            name = studio.evaluate(
                "() => { const a = document.activeElement;"
                " return a.getAttribute('aria-label') || a.textContent.trim(); }"
            )
            if name.startswith(label):
                return
        pytest.fail(f"Tab does not come to {label!r}")

    studio.focus("#prompt")
    studio.keyboard.type("a fox on a white background")
    for key in ("Home", "Control+ArrowRight", "Control+Shift+ArrowRight"):
        studio.keyboard.press(key)
    tab_to("Paint “fox”")
    studio.keyboard.press("Enter")
    tab_to("Box")
    studio.keyboard.press("Enter")
    tab_to("Canvas. A box for fox")
    for key in ["Shift+ArrowRight"] * 5 + ["ArrowLeft"] * 3 + ["Enter"]:
        studio.keyboard.press(key)
    assert share(studio, "fox") == "20 %"  # 0.5 x 0.4
    studio.focus("#prompt")
    studio.keyboard.press("Control+Enter")
    studio.wait_for_selector(".tile:not([disabled]) >> nth=8")
    tab_to("Picture 1")
    studio.keyboard.press("Enter")
    assert studio.locator(".tile").first.get_attribute("aria-pressed") == "true"


def test_what_goes_wrong_is_said(studio: Page) -> None:
    studio.get_by_role("button", name="Draft").click()
    assert studio.get_by_role("alert").inner_text() == "Write what is to be seen first."
    write(studio, "a red fox")
    studio.click("text=Advanced")
    studio.get_by_label("Tiles, px").fill("17")
    studio.get_by_label("Tiles, px").blur()
    studio.get_by_label("Close").click()
    assert studio.locator(".alert").count() == 0


@pytest.mark.slow
def test_a_key_is_asked_for(open_studio: Any, tmp_path: Path) -> None:
    with serving(tmp_path, "--api-key", "open sesame") as address:
        page = open_studio(address, **DESKTOP)
        page.get_by_label("API key").fill("wrong")
        page.keyboard.press("Enter")
        page.wait_for_selector("text=That key was not the right one.")
        page.get_by_label("API key").fill("open sesame")
        page.keyboard.press("Enter")
        page.wait_for_selector("main")
        write(page, PROMPT)
        page.get_by_role("button", name="Draft").click()
        page.wait_for_selector(".tile:not([disabled]) >> nth=8")
        page.wait_for_function(
            "() => [...document.querySelectorAll('.tile img')].every(one => one.naturalWidth)"
        )
