"""Scenes: what they are made of, at any size, and nothing held out is read."""

from __future__ import annotations

import hashlib
from pathlib import Path
from random import Random

import numpy as np
import pytest
from pydantic import ValidationError
from tiny_grid import STYLES

from ediffi.core.errors import UserError
from ediffi.data.heldout import is_held_out
from ediffi.pictogram import layout
from ediffi.pictogram.backdrops import BACKDROPS
from ediffi.pictogram.captions import tells_style
from ediffi.pictogram.composer import Composer, SceneConfig
from ediffi.pictogram.grid import Cell, Grid

COLOUR = ("noto", "emojione")
EVERYTHING = {
    "mirrored": 1.0, "recoloured": 1.0, "counted": 0.5, "grouped": 1.0, "in_front": 0.5,
    "sized": 1.0, "shadows": 1.0, "backdrops": 1.0, "keywords": 0.3, "detailed": 1.0,
}  # fmt: skip


@pytest.fixture(scope="module")
def source(grid: Grid) -> Composer:
    return Composer(grid, SceneConfig(styles=COLOUR))


@pytest.mark.parametrize("options", [{}, EVERYTHING], ids=["usual", "everything"])
def test_no_byte_of_a_held_out_cell_is_read(
    grid: Grid, options: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Composing, recolouring, drawing, masking and cropping: each asks the grid for its bytes."""
    read: set[Cell] = set()
    for name in ("sprite", "source"):
        original = getattr(Grid, name)

        def spy(self: Grid, cell: Cell, original: object = original) -> object:
            read.add(cell)
            return original(self, cell)  # type: ignore[operator]

        monkeypatch.setattr(Grid, name, spy)
    train = Composer(grid, SceneConfig(styles=STYLES, **options))
    shown = set()
    for n in range(700):
        scene = train.scene(n)
        shown |= {(i.hexcode, i.style) for i in scene.items}
        if n < 120:
            train.render(scene, 32)
            train.masks(scene, 32)
            train.render(scene, 512, train.crop_for(scene, 512, 32, n))
    assert not [cell for cell in shown if is_held_out(*cell)]
    assert not [(c.hexcode, c.style) for c in read if c.held_out]
    assert shown == {cell for cell in grid.cells if not is_held_out(*cell)} and len(read) > 20


def test_held_out_split_shows_nothing_else(grid: Grid) -> None:
    judged = Composer(grid, SceneConfig(styles=STYLES, split="held-out"))
    seen = {(i.hexcode, i.style) for n in range(300) for i in judged.scene(n).items}
    assert seen == {cell for cell in grid.cells if is_held_out(*cell)}


def test_scenes_are_a_function_of_seed_and_index(grid: Grid, source: Composer) -> None:
    again = Composer(grid, SceneConfig(styles=COLOUR))
    other = Composer(grid, SceneConfig(styles=COLOUR, seed=1))
    indices = [12345678901, 3, 0]
    scenes = [source.scene(i) for i in indices]
    assert scenes == [again.scene(i) for i in reversed(indices)][::-1]
    assert scenes != [other.scene(i) for i in indices]
    for scene in scenes:
        np.testing.assert_array_equal(source.render(scene, 64), again.render(scene, 64))


def test_a_crop_of_a_full_scene_is_the_crop_of_the_whole(source: Composer) -> None:
    for n in range(25):
        scene = source.scene(n)
        whole = source.render(scene, 256).astype(int)
        masks = source.masks(scene, 256)
        x, y, w, h = source.crop_for(scene, 256, 96, n)
        part = source.render(scene, 256, (x, y, w, h)).astype(int)
        error = np.abs(part - whole[y : y + h, x : x + w])
        assert error.mean() < 0.4 and np.percentile(error, 99) < 16, scene
        cut = source.masks(scene, 256, (x, y, w, h))
        assert np.abs(cut - masks[:, y : y + h, x : x + w]).mean() < 0.004


def test_small_and_large_show_the_same_scene(source: Composer) -> None:
    for n in range(15):
        scene = source.scene(n)
        large = source.render(scene, 256)
        area = large.reshape(64, 4, 64, 4, 3).mean((1, 3))
        assert np.abs(area - source.render(scene, 64)).mean() < 3, scene


def test_shadows_darken_only_what_is_below(grid: Grid) -> None:
    with_shadows = Composer(grid, SceneConfig(styles=COLOUR, shadows=1.0))
    without = Composer(grid, SceneConfig(styles=COLOUR, shadows=0.0))
    darker = 0
    for n in range(30):
        scene, bare = with_shadows.scene(n), without.scene(n)
        assert scene.captions == bare.captions
        a, b = (with_shadows.render(s, 64).astype(int) for s in (scene, bare))
        assert (a <= b).all()
        darker += bool((a < b - 20).any())
        np.testing.assert_array_equal(with_shadows.masks(scene, 64), with_shadows.masks(bare, 64))
    assert darker > 20


@pytest.mark.parametrize("groups", sorted(layout.ARRANGED))
def test_slots_lie_apart_on_the_canvas(groups: tuple[int, ...]) -> None:
    for name in layout.ARRANGED[groups]:
        slots = layout.slots(name, groups)
        assert len(slots) == sum(groups)
        for n, (x0, y0, x1, y1) in enumerate(slots):
            assert 0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1
            for a0, b0, a1, b1 in slots[n + 1 :]:
                assert min(x1, a1) - max(x0, a0) < 0.03 or min(y1, b1) - max(y0, b0) < 0.03
            for aspect in (0.3, 1.0, 3.0):
                x, y, w, h = layout.fit((x0, y0, x1, y1), aspect, 0.9, Random(n))
                assert abs(w / h - aspect) < 1e-9 and min(x, y) >= 0 and max(x + w, y + h) <= 1


def test_the_mix_is_the_configs(grid: Grid) -> None:
    config = SceneConfig(
        styles=COLOUR, mix=(0.25, 0.25, 0.25, 0.25), counted=0.0, grouped=0.0, symbols=0.0,
        backdrops=1.0, backdrop_weights=dict.fromkeys(BACKDROPS, 0.0) | {"sea": 3.0, "dots": 1.0},
        num_captions=1,
    )  # fmt: skip
    source = Composer(grid, config)
    scenes = [source.scene(n) for n in range(400)]
    counts = [sum(len(s.items) == n for s in scenes) for n in (1, 2, 3, 4)]
    assert all(70 < count < 130 for count in counts), counts
    kinds = [s.background.kind for s in scenes if s.background.kind != "plain"]
    assert set(kinds) == {"sea", "dots"} and 2 < kinds.count("sea") / kinds.count("dots") < 4.5
    assert not [s for s in scenes for i in s.items if i.hexcode == "0023-FE0F-20E3"]
    assert all(len({i.hexcode for i in s.items}) == len(s.items) for s in scenes)


def test_styles_named_again_come_oftener_and_are_told_in_turn(grid: Grid) -> None:
    often, other = COLOUR[:2]
    composer = Composer(grid, SceneConfig(styles=(often, often, often, other), num_captions=3))
    drawn = composer.by_style
    share = 3 * len(drawn[often]) / (3 * len(drawn[often]) + len(drawn[other]))
    found = []
    for n in range(400):
        scene = composer.scene(n)
        style = scene.items[0].style
        found.append(style == often)
        assert sum(tells_style(caption.text, style) for caption in scene.captions) in (1, 2)
    assert sum(found) / len(found) == pytest.approx(share, abs=0.08)


def test_settings_survive_json() -> None:
    config = SceneConfig(seed=3, styles=COLOUR, backdrop_weights={"sea": 2.0})
    assert SceneConfig.model_validate_json(config.model_dump_json()) == config


def test_scenes_of_a_number_stay_what_they_are(grid: Grid) -> None:
    """What was trained on can be drawn again: things, places, colours and every caption."""
    digest = hashlib.sha256()
    source = Composer(grid, SceneConfig(styles=STYLES))
    for n in range(200):
        scene = source.scene(n)
        ground = scene.background.kind, scene.background.colours, scene.background.seed
        items = [(i.hexcode, i.style, i.label, i.flip, i.ink, i.hue, i.shadow) for i in scene.items]
        captions = [(c.text, [vars(s) for s in c.spans]) for c in scene.captions]
        digest.update(repr((scene.layout, ground, items, captions)).encode())
    assert digest.hexdigest()[:16] == "042adebc4877980b"


def test_settings_that_make_no_sense_are_refused(grid: Grid) -> None:
    with pytest.raises(ValidationError, match="none may be below 0"):
        SceneConfig(backdrop_weights={"sea": -1.0})
    with pytest.raises(ValidationError):
        SceneConfig(mix=(0.2, 0.2, 0.2, 0.2, 0.2))
    with pytest.raises(UserError, match="no backdrop 'lava': known are sky"):
        Composer(grid, SceneConfig(styles=COLOUR, backdrop_weights={"lava": 1.0}))


def test_compose_writes_a_sheet_with_masks(grid: Grid, tmp_path: Path) -> None:
    from test_cli_data import run

    out = tmp_path / "sheet.webp"
    output = run("compose", "--all", "--masks", "--style", "noto", "--num-images", "2",
                 "--size", "48", "--cache", str(grid.path), "-o", str(out))  # fmt: skip
    assert "2 scenes" in output and out.read_bytes()[8:12] == b"WEBP"
