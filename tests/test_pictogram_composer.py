"""Scenes: determinism, held-out cells, sizes, crops, masks and contrast."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError
from tiny_grid import CONCEPTS, STYLES

from ediffi.core.errors import UserError
from ediffi.data.heldout import is_held_out
from ediffi.pictogram.composer import Background, Composer, Item, Scene, SceneConfig
from ediffi.pictogram.grid import Grid
from ediffi.pictogram.palette import (
    BACKGROUNDS,
    colour_name,
    main_colour,
)
from ediffi.pictogram.render import draw_background

COLOUR = ("noto", "emojione")


def composer(grid: Grid, styles: Sequence[str] = COLOUR, **options: object) -> Composer:
    return Composer(grid, SceneConfig(styles=tuple(styles), **options))  # type: ignore[arg-type]


def test_no_held_out_cell_reaches_a_training_scene(grid: Grid) -> None:
    train = composer(grid, STYLES)
    seen = {(i.hexcode, i.style) for n in range(1500) for i in train.scene(n).items}
    assert not [cell for cell in seen if is_held_out(*cell)]
    allowed = {cell for cell in grid.cells if not is_held_out(*cell)}
    assert seen == allowed != set(grid.cells)


def test_held_out_split_shows_only_held_out_cells_and_all_shows_all(grid: Grid) -> None:
    judged = composer(grid, STYLES, split="held-out")
    seen = {(i.hexcode, i.style) for n in range(300) for i in judged.scene(n).items}
    assert seen == {cell for cell in grid.cells if is_held_out(*cell)}
    assert len(composer(grid, STYLES, split="all").cells) == len(grid.cells)


def test_scene_and_pixels_are_a_function_of_seed_and_index(grid: Grid) -> None:
    first, again, other = composer(grid), composer(grid), composer(grid, seed=1)
    indices = [0, 7, 12345678901]
    scenes = [first.scene(i) for i in indices]
    assert scenes == [again.scene(i) for i in reversed(indices)][::-1]
    assert scenes != [other.scene(i) for i in indices]
    for scene in scenes:
        np.testing.assert_array_equal(first.render(scene, 64), again.render(scene, 64))


def test_one_style_a_scene_distinct_things_inside_the_canvas(grid: Grid) -> None:
    source = composer(grid, STYLES, mix=(0.6, 0.3, 0.1), counted=0.0, grouped=0.0)
    counts = [0, 0, 0, 0]
    for n in range(1000):
        scene = source.scene(n)
        counts[len(scene.items)] += 1
        assert len({i.style for i in scene.items}) == 1
        assert len({i.hexcode for i in scene.items}) == len(scene.items)
        for item in scene.items:
            x, y, w, h = item.box
            assert min(x, y) >= 0 and max(x + w, y + h) <= 1 and max(w, h) >= 0.15
    assert 520 < counts[1] < 680 and 230 < counts[2] < 370 and 60 < counts[3] < 140


def test_clocks_and_symbols_are_never_mirrored(grid: Grid) -> None:
    source = composer(grid, STYLES, mirrored=0.5, symbols=1.0)
    flips = {h: {i.flip for n in range(1500) for i in source.scene(n).items if i.hexcode == h}
             for h in ("1F570", "0023-FE0F-20E3", "1F98A")}  # fmt: skip
    assert flips == {"1F570": {False}, "0023-FE0F-20E3": {False}, "1F98A": {False, True}}


def test_a_mirrored_item_is_the_mirror_image(grid: Grid) -> None:
    source = composer(grid)
    box = (0.25, 0.25, 0.5, 0.5 * 2 / 3)
    plain = Background("plain", ("white",))
    kept, mirrored = (
        Scene(0, "single", plain, (Item("1F98A", "noto", "fox", box, flip),))
        for flip in (False, True)
    )
    np.testing.assert_array_equal(
        source.render(kept, 64)[:, ::-1].astype(int), source.render(mirrored, 64)
    )


@pytest.mark.parametrize("style", STYLES)
def test_small_and_large_show_the_same_scene(grid: Grid, style: str) -> None:
    source = composer(grid, [style])
    for n in range(12):
        scene = source.scene(n)
        large = source.render(scene, 256)
        small = source.render(scene, 64).astype(float)
        area = large.reshape(64, 4, 64, 4, 3).mean((1, 3))
        assert np.abs(area - small).mean() < 1.5, scene
        assert np.sqrt(((area - small) ** 2).mean()) < 6


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("size", [256, 512])
def test_a_crop_is_the_crop_of_the_whole(grid: Grid, style: str, size: int) -> None:
    source = composer(grid, [style])
    for n in range(6):
        scene = source.scene(n)
        whole = source.render(scene, size).astype(int)
        for seed in range(2):
            x, y, w, h = source.crop_for(scene, size, 96, seed)
            part = source.render(scene, size, (x, y, w, h)).astype(int)
            assert part.shape == (96, 96, 3)
            error = np.abs(part - whole[y : y + h, x : x + w])
            assert error.mean() < 0.25 and np.percentile(error, 99) < 12


def test_crops_mostly_show_an_edge_and_stay_inside(grid: Grid) -> None:
    source = composer(grid, backdrops=0.0, plain_share=1.0)
    telling = 0
    for n in range(60):
        scene = source.scene(n)
        x, y, w, h = source.crop_for(scene, 256, 64, n)
        assert 0 <= x <= 192 and 0 <= y <= 192 and (w, h) == (64, 64)
        cover = source.masks(scene, 256, (x, y, w, h))[: len(scene.items)].sum(0)
        telling += bool((cover > 0.9).any() and (cover < 0.1).any())
    assert telling > 36


def test_masks_respect_what_is_in_front(grid: Grid) -> None:
    source = composer(grid)
    items = tuple(Item(h, "emojione", "", (0.2, 0.2, 0.6, 0.6 * 1.2)) for h in ("1F98A", "1F680"))
    scene = Scene(0, "beside", Background("plain", ("white",)), items)
    behind, front = source.masks(scene, 64)
    assert (behind + front).max() <= 1 + 1e-6
    assert behind[front == 1].max() == 0 and front.max() == 1


def test_coloured_pictures_do_not_drown_in_their_background(grid: Grid) -> None:
    source = composer(grid, backdrops=0.0, plain_share=1.0, recoloured=0.0)
    for n in range(300):
        scene = source.scene(n)
        for item in scene.items:
            mean = grid.cells[item.hexcode, item.style].mean
            assert np.abs(np.subtract(mean, scene.background.rgbs[0])).max() > 30


def test_backgrounds_are_what_their_kind_says() -> None:
    pixels = {
        kind: draw_background(Background(kind, ("black", "white")), 8, (0, 0, 8, 8))
        for kind in ("stacked", "split", "gradient")
    }
    assert (pixels["stacked"][:4] < 30).all() and (pixels["stacked"][4:] == 255).all()
    assert (pixels["split"][:, :4] < 30).all() and (pixels["split"][:, 4:] == 255).all()
    assert (np.diff(pixels["gradient"][:, 0, 0].astype(int)) > 20).all()
    corner = draw_background(Background("stacked", ("black", "white")), 8, (2, 3, 4, 4))
    np.testing.assert_array_equal(corner, pixels["stacked"][3:7, 2:6])


@pytest.mark.parametrize("name", ["white", "black", "red", "orange", "yellow", "blue", "purple",
                                  "pink", "brown", "gray"])  # fmt: skip
def test_background_names_agree_with_the_names_of_drawings(name: str) -> None:
    assert colour_name(BACKGROUNDS[name]) == name
    tile = np.array(Image.new("RGBA", (8, 8), (*BACKGROUNDS[name], 255)))
    assert main_colour(tile) == name


def test_mixed_colours_have_no_main_colour() -> None:
    tile = np.zeros((4, 4, 4), np.uint8)
    tile[..., 3] = 255
    tile[:2, :, 0] = tile[2:, :, 2] = 230
    assert main_colour(tile) is None
    assert main_colour(np.zeros((4, 4, 4), np.uint8)) is None


def test_bad_configs_are_refused(grid: Grid) -> None:
    with pytest.raises(ValidationError, match="add up to 1"):
        SceneConfig(mix=(0.5, 0.5, 0.5))
    with pytest.raises(ValidationError):
        SceneConfig(split="test")  # type: ignore[arg-type]
    with pytest.raises(UserError, match="not in the pictogram grid: nato"):
        composer(grid, ["nato"])
    with pytest.raises(UserError, match="not in the pictogram grid: FFFF"):
        composer(grid, concepts=("FFFF",))
    with pytest.raises(UserError, match="no picture is left"):
        composer(grid, concepts=("1F987",))
    assert set(CONCEPTS) == set(grid.concepts)
