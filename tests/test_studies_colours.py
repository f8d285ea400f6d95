"""Colours of pictures whose colours are known."""

import numpy as np
import pytest
from numpy.typing import NDArray

from ediffi.pictogram.lab import distance, to_lab
from ediffi.pictogram.palette import BACKGROUNDS
from studies.colours import background_name, border_colour, dominant_colour, nearest_distance


def scene(background: tuple[int, int, int]) -> NDArray[np.uint8]:
    """A red square with a smaller blue one on it, and a thin bar that touches the border."""
    picture = np.full((64, 64, 3), background, np.uint8)
    picture[16:48, 16:48] = 214, 52, 56
    picture[20:36, 20:36] = 52, 108, 214
    picture[30:34, :] = 214, 52, 56
    return picture


@pytest.mark.parametrize(
    ("rgb", "lab"),
    [
        ((255, 255, 255), (100, 0, 0)),
        ((0, 0, 0), (0, 0, 0)),
        ((255, 0, 0), (53.24, 80.09, 67.20)),
        ((0, 0, 255), (32.30, 79.19, -107.86)),
        ((119, 119, 119), (50.03, 0, 0)),
    ],
)
def test_lab_of_known_colours(rgb: tuple[int, ...], lab: tuple[float, ...]) -> None:
    assert to_lab(rgb) == pytest.approx(np.array(lab), abs=0.02)


@pytest.mark.parametrize("name", [n for n in BACKGROUNDS if n not in ("red", "blue")])
def test_background_is_named_through_noise_and_things_at_the_border(name: str) -> None:
    noise = np.random.default_rng(0).normal(0, 6, (64, 64, 3))
    picture = np.clip(scene(BACKGROUNDS[name]) + noise, 0, 255).astype(np.uint8)
    assert background_name(picture) == name
    assert np.abs(border_colour(picture).astype(int) - BACKGROUNDS[name]).max() <= 3


def test_dominant_colour_is_the_commonest_of_the_thing() -> None:
    colour = dominant_colour(scene(BACKGROUNDS["white"]))
    assert colour is not None
    assert float(distance(colour, to_lab((214, 52, 56)))) < 1
    # On red, the red parts are background and the blue square is what is left.
    colour = dominant_colour(scene(BACKGROUNDS["red"]))
    assert colour is not None
    assert float(distance(colour, to_lab((52, 108, 214)))) < 1


def test_blank_pictures_have_no_dominant_colour() -> None:
    blank = dominant_colour(np.full((64, 64, 3), 200, np.uint8))
    assert blank is None
    red, blue = to_lab((214, 52, 56)), to_lab((52, 108, 214))
    assert nearest_distance(blank, [red]) == nearest_distance(red, [None]) == float("inf")
    assert nearest_distance(red, [None, blue, red]) == 0
