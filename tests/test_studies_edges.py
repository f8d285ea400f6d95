"""Edge widths against edges whose width is known."""

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from studies.edges import colour_drift, compare_edges, edge_widths, find_edges, luma

SIDE = 256


def disc(scale: int = 8) -> Image.Image:
    """A bright disc on a dark ground, antialiased by averaging `scale`^2 samples a pixel."""
    axis = (np.arange(SIDE * scale) + 0.5) / scale - SIDE / 2
    inside = axis[:, None] ** 2 + axis**2 < 70**2
    grey = inside.reshape(SIDE, scale, SIDE, scale).mean((1, 3))
    pixels = np.round(40 + 180 * grey).astype(np.uint8)
    return Image.fromarray(pixels).convert("RGB")


def median_width(picture: NDArray[np.uint8]) -> float:
    grey = luma(picture)
    return float(np.nanmedian(edge_widths(grey, find_edges(grey))))


def test_antialiased_edge_is_about_a_pixel() -> None:
    assert 0.7 < median_width(np.asarray(disc())) < 1.4


@pytest.mark.parametrize("std", [2.0, 4.0, 6.0])
def test_gaussian_blur_has_its_closed_form_width(std: float) -> None:
    picture = np.asarray(disc().filter(ImageFilter.GaussianBlur(std)))
    assert median_width(picture) == pytest.approx(2.563 * std, rel=0.1)


def test_comparison_tells_an_enlarged_picture_from_a_sharp_one() -> None:
    sharp = np.asarray(disc())
    small = disc().resize((SIDE // 8, SIDE // 8), Image.Resampling.BOX)
    soft = np.asarray(small.resize((SIDE, SIDE), Image.Resampling.BICUBIC))
    result = compare_edges(soft, sharp)
    assert result["output"] / result["reference"] > 4 and result["found"] > 0.95
    same = compare_edges(sharp, sharp)
    assert same["output"] == same["reference"] and same["found"] == 1.0


def test_noise_and_a_shift_do_not_change_the_width() -> None:
    noise = np.random.default_rng(0).normal(0, 2, (SIDE, SIDE, 3))
    noisy = np.clip(np.asarray(disc()) + noise, 0, 255).round().astype(np.uint8)
    shifted = np.roll(noisy, (2, 3), (0, 1))
    result = compare_edges(shifted, np.asarray(disc()))
    assert result["output"] / result["reference"] == pytest.approx(1.0, abs=0.15)


def test_a_blank_picture_has_no_edges() -> None:
    result = compare_edges(np.full((SIDE, SIDE, 3), 90, np.uint8), np.asarray(disc()))
    assert result["found"] == 0.0 and result["edges"] > 100


def test_colour_drift_is_the_mean_difference_of_blocks() -> None:
    low = np.asarray(disc().resize((32, 32), Image.Resampling.BOX))
    same = np.asarray(Image.fromarray(low).resize((256, 256), Image.Resampling.NEAREST))
    assert colour_drift(low, same) == {"mean": [0, 0, 0], "mean_absolute": [0, 0, 0]}
    drift = colour_drift(low, same + np.array([3, 0, 1], np.uint8))
    assert drift["mean"] == pytest.approx([3, 0, 1])
