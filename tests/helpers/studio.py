"""What a person does in the studio, in a browser's page."""

from __future__ import annotations

import io
import json
import urllib.request
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

if TYPE_CHECKING:
    from playwright.sync_api import Page

CANVAS = "canvas.above"


def write(page: Page, prompt: str) -> None:
    page.fill("#prompt", prompt)


def select(page: Page, words: str) -> None:
    """Select words of the prompt, as a drag over them does."""
    page.evaluate(
        """words => {
            const field = document.getElementById("prompt");
            const at = field.value.indexOf(words);
            field.focus();
            field.setSelectionRange(at, at + words.length);
        }""",
        words,
    )


def paint(page: Page, words: str) -> None:
    """Make words of the prompt a region, ready to be painted."""
    select(page, words)
    page.click(f"text=Paint “{words}”")


def stroke(page: Page, *points: tuple[float, float]) -> None:
    """Draw with the mouse through places of the canvas, shares of it."""
    page.locator(CANVAS).scroll_into_view_if_needed()
    box = page.locator(CANVAS).bounding_box()
    assert box is not None
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=6)
    page.mouse.up()


def place_box(page: Page, left: int, top: int, width: int, height: int) -> None:
    """Paint a box by its numbers, percent of the canvas."""
    page.click("[aria-label=Box]")
    for name, value in (("Width", width), ("Height", height), ("Left", left), ("Top", top)):
        field = page.get_by_label(f"{name} %")
        field.fill(str(value))
        field.blur()
    page.click("text=Paint box")


def share(page: Page, words: str) -> str:
    """How much of the canvas a region's chip says it has."""
    chips = page.locator(".chip").all()
    chip = next(one for one in chips if one.locator(".phrase-text").input_value() == words)
    return chip.locator(".state").inner_text()


def draft(page: Page) -> None:
    """Draw nine drafts and wait until the page shows them."""
    with page.expect_response(lambda r: r.url.endswith("/v1/jobs") and r.status == 201) as sent:
        page.get_by_role("button", name="Draft").click()
    page.wait_for_selector(f".grid img[src*='{sent.value.json()['id']}'] >> nth=8")


def jobs(address: str) -> list[dict[str, Any]]:
    """The server's jobs, the newest first."""
    told: dict[str, Any] = json.load(urllib.request.urlopen(f"{address}/v1/jobs"))
    return list(told["jobs"])


def pixels(address: str, url: str) -> NDArray[np.float64]:
    """(H, W, 3) of a picture of the server, in [0, 255]."""
    data = urllib.request.urlopen(f"{address}{url}").read()
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), np.float64)


def drop(page: Page, name: str, data: bytes) -> None:
    """Drop a file on the page."""
    page.evaluate(
        """([name, bytes]) => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([new Uint8Array(bytes)], name, {type: "image/png"}));
            document.querySelector(".page").dispatchEvent(
                new DragEvent("drop", {dataTransfer: transfer, bubbles: true, cancelable: true}));
        }""",
        [name, list(data)],
    )
