"""A picture to start from enters an upscaler as its middle square."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from ediffi.core.errors import Notice
from ediffi.model.start import low_resolution


def test_a_picture_of_the_right_size_is_taken_as_it_is() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    expected = torch.from_numpy(pixels).permute(2, 0, 1) / 127.5 - 1
    torch.testing.assert_close(low_resolution(Image.fromarray(pixels), 16)[0], expected)


def test_the_middle_square_is_used_and_said() -> None:
    picture = Image.new("RGB", (30, 10), "red")
    picture.paste((0, 0, 255), (10, 0, 20, 10))
    with pytest.warns(Notice, match="30x10: its middle square of 10x10"):
        square = low_resolution(picture, 8)
    assert square.shape == (1, 3, 8, 8)
    torch.testing.assert_close(square[0, :, 4, 4], torch.tensor([-1.0, -1.0, 1.0]))


def test_small_pictures_are_enlarged() -> None:
    assert low_resolution(Image.new("RGB", (8, 8)), 16).shape == (1, 3, 16, 16)


def test_a_long_thin_picture_is_taken() -> None:
    with pytest.warns(Notice):
        assert low_resolution(Image.new("RGB", (20_000, 16)), 16).shape == (1, 3, 16, 16)
