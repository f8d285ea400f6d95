"""Words of the prompt are painted, and the picture follows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from helpers.studio import draft, jobs, paint, pixels, place_box, share, stroke, write
from PIL import Image

if TYPE_CHECKING:
    from playwright.sync_api import Page

PROMPT = "a tomato on a white background"


def test_a_stroke_is_painted_undone_and_redone(studio: Page) -> None:
    write(studio, PROMPT)
    paint(studio, "tomato")
    assert share(studio, "tomato") == "nothing painted yet"
    stroke(studio, (0.2, 0.2), (0.8, 0.2), (0.8, 0.8))
    painted = share(studio, "tomato")
    assert 8 <= int(painted.removesuffix(" %")) <= 20
    studio.get_by_label("Undo").click()
    assert share(studio, "tomato") == "nothing painted yet"
    studio.get_by_label("Redo").click()
    assert share(studio, "tomato") == painted


def test_the_eraser_takes_away_and_fill_takes_the_rest(studio: Page) -> None:
    write(studio, PROMPT)
    paint(studio, "tomato")
    place_box(studio, 0, 0, 50, 100)
    paint(studio, "white background")
    studio.get_by_label("Fill", exact=True).click()
    studio.click("text=Fill what is left")
    assert (share(studio, "tomato"), share(studio, "white background")) == ("50 %", "50 %")
    studio.get_by_label("Eraser").click()
    stroke(studio, (0.5, 0.1), (0.5, 0.9))
    studio.wait_for_selector("text=/[1-9]\\d? % left unpainted/")
    assert share(studio, "tomato") == share(studio, "white background") != "50 %"


def test_one_place_belongs_to_one_phrase(studio: Page) -> None:
    write(studio, PROMPT)
    paint(studio, "tomato")
    place_box(studio, 0, 0, 100, 100)
    paint(studio, "white background")
    studio.get_by_label("Fill", exact=True).click()
    stroke(studio, (0.5, 0.5))  # the whole connected area
    assert share(studio, "white background") == "100 %"
    assert share(studio, "tomato") == "nothing painted yet"


def test_a_pen_presses_and_a_finger_beside_it_does_not_draw(studio: Page) -> None:
    write(studio, PROMPT)
    paint(studio, "tomato")

    def draw(kind: str, pressure: float) -> None:
        studio.evaluate(
            """([kind, pressure]) => {
                const canvas = document.querySelector("canvas.above");
                canvas.setPointerCapture = () => {};
                const frame = canvas.getBoundingClientRect();
                const send = (type, share) => canvas.dispatchEvent(new PointerEvent(type, {
                    pointerType: kind, pressure, isPrimary: true, bubbles: true, pointerId: 5,
                    clientX: frame.left + share * frame.width, clientY: frame.top + 100}));
                send("pointerdown", 0.1);
                for (let i = 1; i < 9; i++) send("pointermove", 0.1 + 0.08 * i);
                send("pointerup", 0.8);
            }""",
            [kind, pressure],
        )

    draw("pen", 0.1)
    light = int(share(studio, "tomato").removesuffix(" %"))
    studio.get_by_label("Undo").click()
    draw("pen", 1.0)
    assert int(share(studio, "tomato").removesuffix(" %")) > light > 0
    studio.get_by_label("Undo").click()
    draw("touch", 0.5)
    assert share(studio, "tomato") == "nothing painted yet"


def test_what_is_painted_is_where_the_thing_is_drawn(studio: Page, server: str) -> None:
    write(studio, PROMPT)
    paint(studio, "tomato")
    place_box(studio, 55, 55, 40, 40)
    draft(studio)
    job = jobs(server)[0]
    assert job["request"]["regions"]["regions"][0]["span"] == [2, 8]
    for image in job["images"][:4]:
        ink = 255 * 3 - pixels(server, image["url"]).sum(-1)
        rows, columns = np.mgrid[0:64, 0:64] / 64
        centre = (ink * columns).sum() / ink.sum(), (ink * rows).sum() / ink.sum()
        assert min(centre) > 0.6


def test_a_phrase_is_retyped_lost_and_put_back(studio: Page) -> None:
    write(studio, PROMPT)
    paint(studio, "tomato")
    place_box(studio, 10, 10, 50, 50)
    phrase = studio.get_by_label("Words of this region")
    phrase.fill("lemon")
    phrase.blur()
    assert studio.input_value("#prompt") == "a lemon on a white background"
    assert share(studio, "lemon") == "25 %"
    write(studio, "on a white background")
    studio.click("text=put back")
    assert studio.input_value("#prompt") == "on a white background lemon"
    assert share(studio, "lemon") == "25 %"


def test_a_map_is_uploaded(studio: Page, tmp_path: Path) -> None:
    picture = np.full((40, 40, 3), 255, np.uint8)
    picture[:20, :20] = (255, 0, 0)
    picture[20:] = (0, 0, 255)
    Image.fromarray(picture).save(tmp_path / "map.png")
    write(studio, PROMPT)
    paint(studio, "tomato")
    studio.set_input_files("input[aria-label^='A map']", tmp_path / "map.png")
    studio.get_by_label("Words of #ff0000").fill("tomato")
    studio.get_by_label("Words of #0000ff").fill("carrot")
    assert studio.get_by_role("alert").inner_text() == "“carrot” is not in the prompt."
    studio.get_by_label("Words of #0000ff").fill("white background")
    studio.click("text=Use the map")
    assert (share(studio, "tomato"), share(studio, "white background")) == ("25 %", "50 %")


def test_the_weight_of_a_phrase_is_sent(studio: Page, server: str) -> None:
    write(studio, PROMPT)
    paint(studio, "tomato")
    place_box(studio, 0, 0, 50, 50)
    studio.locator(".chip input[type=range]").fill("2.5")
    with studio.expect_request(lambda r: r.url.endswith("/v1/jobs")) as sent:
        draft(studio)
    (region,) = json.loads(sent.value.post_data or "")["regions"]["regions"]
    assert region["weight"] == 2.5
    assert region["mask"].startswith("data:image/png;base64,")
