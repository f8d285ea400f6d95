"""Pictures to start from, and words a model knows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ediffi.core.errors import Notice, UserError
from ediffi.core.pictures import open_picture
from ediffi.language.vocabulary import unknown_words
from ediffi.model.config import ModelConfig, Sampling
from ediffi.model.folder import ModelFolder
from ediffi.model.start import low_resolution


def test_all_kinds_of_pictures_agree(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "p.png")
    tensor = torch.from_numpy(pixels).permute(2, 0, 1) / 127.5 - 1
    for picture in (tmp_path / "p.png", str(tmp_path / "p.png"), pixels, tensor):
        assert np.array_equal(np.array(open_picture(picture)), pixels)
    back = low_resolution(open_picture(pixels), 16)
    torch.testing.assert_close(back[0], tensor)


def test_transparency_is_laid_on_white() -> None:
    clear = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    assert open_picture(clear).getpixel((0, 0)) == (255, 255, 255)


def test_the_middle_square_is_used_and_said() -> None:
    picture = Image.new("RGB", (30, 10), "red")
    picture.paste((0, 0, 255), (10, 0, 20, 10))
    with pytest.warns(Notice, match="30x10: its middle square of 10x10"):
        square = low_resolution(picture, 8)
    assert square.shape == (1, 3, 8, 8)
    torch.testing.assert_close(square[0, :, 4, 4], torch.tensor([-1.0, -1.0, 1.0]))


def test_small_pictures_are_enlarged() -> None:
    assert low_resolution(Image.new("RGB", (8, 8)), 16).shape == (1, 3, 16, 16)


@pytest.mark.parametrize(
    ("size", "complaint"),
    [((1, 1), "1x1 pixels: each side needs"), ((20_000, 3_000), "too large.*50,000,000 pixels")],
)
def test_sizes_that_are_refused(size: tuple[int, int], complaint: str, tmp_path: Path) -> None:
    Image.new("1", size).save(tmp_path / "p.png")
    with pytest.raises(UserError, match=complaint):
        open_picture(tmp_path / "p.png")


def test_a_huge_file_is_refused_unread(tmp_path: Path) -> None:
    Image.new("1", (20_000, 20_000)).save(tmp_path / "p.png")
    with pytest.raises(UserError, match="too large"):
        open_picture(tmp_path / "p.png")


def test_a_long_thin_picture_is_taken() -> None:
    with pytest.warns(Notice):
        assert low_resolution(Image.new("RGB", (20_000, 16)), 16).shape == (1, 3, 16, 16)


def test_files_that_are_no_pictures(tmp_path: Path) -> None:
    (tmp_path / "notes.png").write_text("not a picture")
    with pytest.raises(UserError, match="not a picture"):
        open_picture(tmp_path / "notes.png")
    with pytest.raises(UserError, match="cannot read the picture"):
        open_picture(tmp_path / "missing.png")
    Image.effect_noise((64, 64), 50).save(tmp_path / "cut.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "cut.png").read_bytes()[:500])
    with pytest.raises(UserError, match="cannot read the picture"):
        open_picture(tmp_path / "cut.png")


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("a red fox", []),
        ("Two RED foxes, above an animal", []),
        ("a flat rocket in space", []),
        ("a dragon and a dragon", ["dragon"]),
        ("a fox's castle", ["castle"]),
    ],
)
def test_unknown_words(model_folder: Path, text: str, unknown: list[str]) -> None:
    config = ModelFolder(model_folder).config
    assert unknown_words(text, config.vocabulary, config.phrases) == unknown
    assert unknown_words(text, {}, ()) == []  # a model that claims nothing


def test_a_cascade_must_fit_together(model_folder: Path) -> None:
    stages = ModelFolder(model_folder).config.stages
    with pytest.raises(ValueError, match="sr1024 reads 64 px, but base draws 16 px"):
        ModelConfig(name="x", stages=(stages[0], stages[2]), encoders={})
    with pytest.raises(ValueError, match="unknown sampler"):
        Sampling(num_steps=1, sigma_min=0.1, sigma_max=1, sampler="euler")
