"""Scenes of the full form: what captions say is what is drawn, and nothing held out is read."""

from __future__ import annotations

import hashlib
from itertools import pairwise
from pathlib import Path
from random import Random

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError
from tiny_grid import STYLES, tiny_grid

from ediffi.data import layout
from ediffi.data.backdrops import (
    BACKDROPS,
    KINDS,
    SCENERY,
    draw_backdrop,
    draw_background,
    large_colours,
    region_masks,
)
from ediffi.data.canvas import Canvas, union
from ediffi.data.composer import Composer, SceneConfig
from ediffi.data.grid import MONOCHROME, Cell, Grid
from ediffi.data.heldout import is_held_out
from ediffi.data.palette import BACKGROUNDS, MIN_INK_CONTRAST, contrast, main_colour
from ediffi.data.plurals import NUMBERS, plural
from ediffi.data.recolour import turn_hue
from ediffi.data.scene import Caption, Scene
from ediffi.data.sprites import SpriteStore
from ediffi.errors import UserError

COLOUR = ("noto", "emojione")
EVERYTHING = {
    "mirrored": 1.0, "recoloured": 1.0, "counted": 0.5, "grouped": 1.0, "in_front": 0.5,
    "sized": 1.0, "shadows": 1.0, "backdrops": 1.0, "keywords": 0.3, "detailed": 1.0,
}  # fmt: skip


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Grid:
    return tiny_grid(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def source(grid: Grid) -> Composer:
    return Composer(grid, SceneConfig.full(styles=COLOUR))


@pytest.fixture(scope="module")
def scenes(source: Composer) -> list[Scene]:
    return [source.scene(n) for n in range(600)]


def texts(caption: Caption, kind: str) -> list[tuple[str, tuple[int, ...]]]:
    return [(caption.text[s.start : s.end], s.parts) for s in caption.spans if s.kind == kind]


def test_plain_scenes_are_what_they_were_before_there_was_a_full_form(grid: Grid) -> None:
    digest = hashlib.sha256()
    for options in ({}, {"mix": (0.4, 0.3, 0.3), "mirrored": 0.5, "plain_share": 0.3}):
        plain = Composer(grid, SceneConfig(styles=STYLES, **options))  # type: ignore[arg-type]
        assert not plain.config.is_full
        for n in range(150):
            scene = plain.scene(n)
            spans = [(s.start, s.end, s.kind, s.item) for s in scene.spans]
            ground = scene.background.kind, scene.background.colours
            digest.update(repr((scene.layout, ground, scene.caption, spans)).encode())
            assert len(scene.captions) == 1 and not scene.background.regions
    assert digest.hexdigest()[:16] == "90137904d1bb1d5f"


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
    train = Composer(grid, SceneConfig.full(styles=STYLES, **options))
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
    judged = Composer(grid, SceneConfig.full(styles=STYLES, split="held-out"))
    seen = {(i.hexcode, i.style) for n in range(300) for i in judged.scene(n).items}
    assert seen == {cell for cell in grid.cells if is_held_out(*cell)}


def test_scenes_are_a_function_of_seed_and_index(grid: Grid, source: Composer) -> None:
    again = Composer(grid, SceneConfig.full(styles=COLOUR))
    other = Composer(grid, SceneConfig.full(styles=COLOUR, seed=1))
    indices = [12345678901, 3, 0]
    scenes = [source.scene(i) for i in indices]
    assert scenes == [again.scene(i) for i in reversed(indices)][::-1]
    assert scenes != [other.scene(i) for i in indices]
    for scene in scenes:
        np.testing.assert_array_equal(source.render(scene, 64), again.render(scene, 64))


def test_masks_add_up_to_one_and_every_named_part_is_seen(
    source: Composer, scenes: list[Scene]
) -> None:
    for scene in scenes[:150]:
        masks = source.masks(scene, 64)
        assert masks.shape == (len(scene.parts), 64, 64)
        np.testing.assert_allclose(masks.sum(0), 1, atol=1e-5)
        for caption in scene.captions:
            for span in caption.spans:
                assert span.parts and 0 <= span.start < span.end <= len(caption.text)
                if span.kind == "thing":
                    assert all(masks[part].sum() > 15 for part in span.parts), scene


SHADED = {*SCENERY, "paper", "lined paper", "graph paper"}  # one word stands for many shades


def test_masks_explain_the_picture_of_one_colour_drawings_on_patterns(grid: Grid) -> None:
    """Every pixel is the mask-weighted sum of the colours that the captions name."""
    source = Composer(grid, SceneConfig.full(styles=MONOCHROME[:1], shadows=0.0, recoloured=0.5))
    explained = 0
    for n in range(120):
        scene = source.scene(n)
        inks = np.array([item.ink for item in scene.items], float)
        if scene.background.kind not in SHADED:
            palette = np.array([BACKGROUNDS[name] for name in scene.background.colours], float)
            colours = np.concatenate([inks, palette])
            expected = np.einsum("phw,pc->hwc", source.masks(scene, 64), colours)
            assert np.abs(expected - source.render(scene, 64)).max() <= 2.5, scene
            explained += 1
        for ink in inks:
            behind = large_colours(scene.background)
            assert all(contrast(tuple(ink), b) >= MIN_INK_CONTRAST for b in behind)
    assert explained > 40


def test_colour_words_are_true_of_what_they_name(source: Composer, scenes: list[Scene]) -> None:
    told, turned = 0, 0
    for scene in scenes[:300]:
        said = [pair for caption in scene.captions for pair in texts(caption, "colour")]
        for word, parts in dict.fromkeys(said):
            if parts[0] >= len(scene.items):
                place = parts[0] - len(scene.items)
                assert word == scene.background.colours[place]
                continue
            item = scene.items[parts[0]]
            sprite = source.sprites.small(source.grid.cells[item.hexcode, item.style])
            assert main_colour(turn_hue(sprite, item.hue)) == word
            told, turned = told + 1, turned + (item.hue != 0)
        for number, item in enumerate(scene.items):
            if item.hue:  # then every caption says so
                for caption in scene.captions:
                    assert any(number in parts for _, parts in texts(caption, "colour")), caption
    assert told > 60 and turned > 40


@pytest.mark.parametrize("kind", sorted(BACKDROPS))
def test_regions_have_the_colour_that_their_word_says(grid: Grid, kind: str) -> None:
    """Of all palette colours that the region could have had, the word's is the nearest."""
    source = Composer(grid, only(kind, caption_background=1.0))
    for n in range(4):
        scene = source.scene(n)
        ground = Scene(0, "single", scene.background, (), "", ())
        pixels, masks = source.render(ground, 160).astype(float), source.masks(ground, 160)
        for region, word, mask in zip(
            scene.background.regions, scene.background.colours, masks, strict=True
        ):
            choices = KINDS[kind].colours[region]
            inside = pixels[mask > 0.95]
            if len(choices) < 8 and len(inside) > 20:
                mean = inside.mean(0)
                near = min(choices, key=lambda c: np.abs(mean - BACKGROUNDS[c]).sum())
                assert near == word or region == "sky", (scene.background, region, mean)


def only(kind: str, **options: object) -> SceneConfig:
    weights = dict.fromkeys(BACKDROPS, 0.0) | {kind: 1.0}
    plain = {"backdrops": 1.0, "backdrop_weights": weights, "shadows": 0.0}
    return SceneConfig.full(styles=COLOUR, **(plain | options))


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_backdrop_is_one_picture_at_all_sizes_and_crops(grid: Grid, kind: str) -> None:
    for seed in range(3):
        background = draw_backdrop(kind, Random(seed))
        whole = draw_background(background, 512, (0, 0, 512, 512))
        masks = region_masks(background, 512, (0, 0, 512, 512))
        for x, y, w, h in (
            (0, 0, 512, 512),
            (131, 257, 90, 70),
            (300, 0, 212, 33),
            (5, 480, 64, 32),
        ):
            part = draw_background(background, 512, (x, y, w, h))
            np.testing.assert_array_equal(part, whole[y : y + h, x : x + w])
            cut = region_masks(background, 512, (x, y, w, h))
            np.testing.assert_allclose(cut, masks[:, y : y + h, x : x + w], atol=1e-6)
        small = draw_background(background, 64, (0, 0, 64, 64)).astype(float)
        area = whole.reshape(64, 8, 64, 8, 3).mean((1, 3))
        assert np.abs(area - small).mean() < 3, background


def test_specks_are_discs_and_lattices_are_boxes() -> None:
    canvas = Canvas(64, (8, 3, 50, 40))
    x, y, r = np.array([0.2, 0.5, 0.9]), np.array([0.3, 0.31, 0.6]), np.array([0.04, 0.003, 0.02])
    rows, columns, cover = union([canvas.disc(*disc) for disc in zip(x, y, r, strict=True)])
    expected = np.zeros((40, 50), np.float32)
    expected[rows, columns] = cover
    np.testing.assert_allclose(canvas.specks(x, y, r)[2], expected, atol=1e-5)
    there = np.array([[True, False]])
    _, _, cover = canvas.lattice(np.array([0.3, 0.5]), np.array([0.2]), (0.1, 0.2), there)
    assert abs(cover.sum() - 0.1 * 0.2 * 64 * 64) < 0.01
    rows, columns, box = canvas.box(0.3, 0.2, 0.4, 0.4)
    np.testing.assert_allclose(cover[rows, columns], box, atol=1e-6)


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


def test_small_and_large_show_the_same_full_scene(source: Composer) -> None:
    for n in range(15):
        scene = source.scene(n)
        large = source.render(scene, 256)
        area = large.reshape(64, 4, 64, 4, 3).mean((1, 3))
        assert np.abs(area - source.render(scene, 64)).mean() < 3, scene


def middle(masks: NDArray[np.float32], parts: tuple[int, ...]) -> tuple[float, float]:
    """Centre of mass (x, y) of what a phrase names, in pixels."""
    mask = masks[list(parts)].sum(0)
    ys, xs = np.mgrid[: mask.shape[0], : mask.shape[1]]
    return float((xs * mask).sum() / mask.sum()), float((ys * mask).sum() / mask.sum())


RELATIONS = {  # words between two phrases: what the first's centre minus the second's must be
    " to the left of ": lambda x, y: x < -3,
    " to the right of ": lambda x, y: x > 3,
    " above ": lambda x, y: y < -2,
    " below ": lambda x, y: y > 2,
    " under ": lambda x, y: y > 2,
}


def test_relations_hold_between_the_masks_of_the_phrases(
    source: Composer, scenes: list[Scene]
) -> None:
    told = dict.fromkeys(RELATIONS, 0)
    for scene in scenes:
        if scene.layout not in ("beside", "stacked"):
            continue
        masks = source.masks(scene, 48)[: len(scene.items)]
        for caption in scene.captions:
            things = [s for s in caption.spans if s.kind == "thing"]
            for first, second in pairwise(things):
                between = caption.text[first.end : second.start]
                for words, holds in RELATIONS.items():
                    if between.startswith(words) and len(between) < len(words) + 20:
                        (ax, ay), (bx, by) = (middle(masks, s.parts) for s in (first, second))
                        assert holds(ax - bx, ay - by), (caption.text, scene.items)
                        told[words] += 1
    assert min(told.values()) >= 3, told


def test_what_stands_in_front_covers_what_is_behind(grid: Grid) -> None:
    source = Composer(grid, SceneConfig.full(styles=COLOUR, mix=(0, 1, 0), counted=0, in_front=1.0))
    overlaps, told = 0, 0
    for n in range(60):
        scene = source.scene(n)
        assert scene.layout == "front"
        alone = Scene(0, "front", scene.background, scene.items[:1], "", ())
        hidden = (source.masks(alone, 64)[0] - source.masks(scene, 64)[0]).sum()
        overlaps += bool(hidden > 20)
        for caption in scene.captions:
            front, behind = " in front of ", " behind "
            first, second = (p for _, p in texts(caption, "thing")[:2])
            between = caption.text.split(". ")[0]
            if front in between and len(texts(caption, "thing")) >= 2 and behind not in between:
                told += first == (1,) and second == (0,)
    assert overlaps > 54 and told > 10


def test_counts_say_how_many_there_are(source: Composer, scenes: list[Scene]) -> None:
    told = set()
    for scene in scenes:
        for caption in scene.captions:
            for word, parts in texts(caption, "count"):
                count = 1 if word in ("one", "a single") else NUMBERS.index(word)
                assert count == len(parts)
                assert len({scene.items[p].hexcode for p in parts}) == 1
                told.add(count)
    assert told == {1, 2, 3, 4}


def test_size_words_go_with_the_sizes(source: Composer, scenes: list[Scene]) -> None:
    small, told = {"small", "little", "tiny"}, set()
    for scene in scenes:
        sides = [max(item.box[2:]) for item in scene.items]
        for caption in scene.captions:
            for word, parts in texts(caption, "size"):
                side = np.mean([sides[p] for p in parts])
                others = [s for p, s in enumerate(sides) if p not in parts]
                against = np.mean(others) if others else 0.6
                assert (side < against) == (word in small), caption
                told.add(word)
    assert {"big", "small", "tiny", "large"} <= told


def test_captions_read_well_and_vary(source: Composer, scenes: list[Scene]) -> None:
    lengths, seen = [], set()
    for scene in scenes:
        assert len(scene.captions) == 3 and scene.caption == scene.captions[0].text
        for caption in scene.captions:
            text = caption.text
            lengths.append(len(text.split()))
            seen.add(text)
            assert 5 <= lengths[-1] <= 60, text
            assert text == " ".join(text.split()) and text[-1] not in " ,." and " ," not in text
            for bad in (" a a", " an an", " a orange", " an blue", "there is two", "{"):
                assert bad not in f" {text}", text
            for words, parts in texts(caption, "thing"):
                labels = source.words[scene.items[parts[0]].hexcode]
                bare = {word.split()[-1] for word in labels} | {
                    plural(w).split()[-1] for w in labels
                }
                assert words.split()[-1] in bare, text
            for _, parts in texts(caption, "stuff"):
                assert all(len(scene.items) <= p < len(scene.parts) for p in parts)
    assert min(lengths) == 5 and max(lengths) > 45 and len(seen) > 1700
    assert sum(length > 25 for length in lengths) > 150


def test_the_mix_is_the_configs(grid: Grid) -> None:
    config = SceneConfig.full(
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


@pytest.mark.parametrize("config", [SceneConfig(seed=3), SceneConfig.full(seed=3)])
def test_settings_survive_json_and_plain_ones_stay_short(config: SceneConfig) -> None:
    written = config.model_dump(mode="json")
    assert SceneConfig.model_validate(written) == config
    assert ("backdrops" in written) == config.is_full and "jitter" in written


def test_settings_that_make_no_sense_are_refused(grid: Grid) -> None:
    with pytest.raises(ValidationError, match="none may be below 0"):
        SceneConfig.full(backdrop_weights={"sea": -1.0})
    with pytest.raises(ValidationError):
        SceneConfig(mix=(0.2, 0.2, 0.2, 0.2, 0.2))
    with pytest.raises(UserError, match="no backdrop 'lava': known are sky"):
        Composer(grid, SceneConfig.full(styles=COLOUR, backdrop_weights={"lava": 1.0}))


def test_turning_hues() -> None:
    rng = np.random.default_rng(0)
    alpha = rng.integers(1, 256, (16, 16, 1))
    pixels = np.concatenate([rng.integers(0, 256, (16, 16, 3)) * alpha // 255, alpha], -1)
    pixels = pixels.astype(np.uint8)
    for degrees in (30, 120, 330):
        turned = turn_hue(pixels, degrees)
        np.testing.assert_array_equal(turned[..., 3], pixels[..., 3])
        assert (turned[..., :3] <= turned[..., 3:]).all(), "not premultiplied"
        np.testing.assert_array_equal(turned[..., :3].max(-1), pixels[..., :3].max(-1))
        back = turn_hue(turned, 360 - degrees).astype(int)
        assert np.abs(back - pixels).max() <= 2
    red, grey = np.array([[[200, 40, 40, 255]]], np.uint8), np.full((1, 1, 4), 99, np.uint8)
    np.testing.assert_array_equal(turn_hue(red, 120)[0, 0], [40, 200, 40, 255])
    np.testing.assert_array_equal(turn_hue(grey, 77), grey)


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


@pytest.mark.parametrize(
    ("one", "many"),
    [("fox", "foxes"), ("cherry", "cherries"), ("monkey", "monkeys"), ("potato", "potatoes"),
     ("slice of pizza", "slices of pizza"), ("cake with candles", "cakes with candles"),
     ("leaf", "leaves"), ("fish", "fish"), ("bus", "buses"), ("kangaroo", "kangaroos")],
)  # fmt: skip
def test_plurals(one: str, many: str) -> None:
    assert plural(one) == many


def test_shadows_darken_only_what_is_below(grid: Grid) -> None:
    with_shadows = Composer(grid, SceneConfig.full(styles=COLOUR, shadows=1.0))
    without = Composer(grid, SceneConfig.full(styles=COLOUR, shadows=0.0))
    darker = 0
    for n in range(30):
        scene, bare = with_shadows.scene(n), without.scene(n)
        assert scene.captions == bare.captions
        a, b = (with_shadows.render(s, 64).astype(int) for s in (scene, bare))
        assert (a <= b).all()
        darker += bool((a < b - 20).any())
        np.testing.assert_array_equal(with_shadows.masks(scene, 64), with_shadows.masks(bare, 64))
    assert darker > 20


def test_the_small_sprite_is_the_whole_drawing(grid: Grid) -> None:
    store = SpriteStore(grid)
    cell = grid.cells["1F98A", "noto"]
    small, full = store.small(cell), grid.sprite(cell)
    assert max(small.shape) <= 40
    share = small[..., 3].sum() / 255 / (32 / 256) ** 2 / (full[..., 3].sum() / 255)
    assert 0.9 < share < 1.1


def test_compose_writes_a_full_sheet_with_masks(grid: Grid, tmp_path: Path) -> None:
    from test_data_cli import run

    out = tmp_path / "sheet.webp"
    output = run("compose", "--all", "--full", "--masks", "--style", "noto", "--num-images", "2",
                 "--size", "48", "--cache", str(grid.path), "-o", str(out))  # fmt: skip
    assert "2 scenes" in output and out.read_bytes()[8:12] == b"WEBP"
