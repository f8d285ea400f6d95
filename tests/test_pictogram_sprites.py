"""Drawings as they are pasted: small ones, and in other hues."""

from __future__ import annotations

import numpy as np

from ediffi.pictogram.grid import Grid
from ediffi.pictogram.recolour import turn_hue
from ediffi.pictogram.sprites import SpriteStore


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


def test_the_small_sprite_is_the_whole_drawing(grid: Grid) -> None:
    store = SpriteStore(grid)
    cell = grid.cells["1F98A", "noto"]
    small, full = store.small(cell), grid.sprite(cell)
    assert max(small.shape) <= 40
    share = small[..., 3].sum() / 255 / (32 / 256) ** 2 / (full[..., 3].sum() / 255)
    assert 0.9 < share < 1.1
