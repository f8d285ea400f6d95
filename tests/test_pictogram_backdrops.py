"""Backdrops: regions in the colour of their word, one picture at all sizes and crops."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from ediffi.pictogram.backdrops import (
    BACKDROPS,
    KINDS,
    draw_backdrop,
    draw_background,
    region_masks,
)
from ediffi.pictogram.canvas import Canvas, union
from ediffi.pictogram.composer import Composer, SceneConfig
from ediffi.pictogram.grid import Grid
from ediffi.pictogram.palette import BACKGROUNDS
from ediffi.pictogram.scene import Scene


def only(kind: str, **options: object) -> SceneConfig:
    weights = dict.fromkeys(BACKDROPS, 0.0) | {kind: 1.0}
    plain = {"backdrops": 1.0, "backdrop_weights": weights, "shadows": 0.0}
    return SceneConfig(styles=("noto", "emojione"), **(plain | options))


@pytest.mark.parametrize("kind", sorted(BACKDROPS))
def test_regions_have_the_colour_that_their_word_says(grid: Grid, kind: str) -> None:
    """Of all palette colours that the region could have had, the word's is the nearest."""
    source = Composer(grid, only(kind, caption_background=1.0))
    for n in range(4):
        scene = source.scene(n)
        ground = Scene(0, "single", scene.background, ())
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
