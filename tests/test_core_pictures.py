"""Pictures from anywhere become RGB, or one line says why not."""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ediffi.core.errors import UserError
from ediffi.core.pictures import open_picture


def test_all_kinds_of_pictures_agree(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "p.png")
    tensor = torch.from_numpy(pixels).permute(2, 0, 1) / 127.5 - 1
    data = base64.b64encode((tmp_path / "p.png").read_bytes()).decode()
    uri = f"data:image/png;base64,{data}"
    for picture in (tmp_path / "p.png", str(tmp_path / "p.png"), uri, pixels, tensor):
        assert np.array_equal(np.array(open_picture(picture)), pixels)


def test_transparency_is_laid_on_white() -> None:
    clear = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    assert open_picture(clear).getpixel((0, 0)) == (255, 255, 255)


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


def test_files_that_are_no_pictures(tmp_path: Path) -> None:
    (tmp_path / "notes.png").write_text("not a picture")
    with pytest.raises(UserError, match="not a picture"):
        open_picture(tmp_path / "notes.png")
    with pytest.raises(UserError, match="cannot read "):
        open_picture(tmp_path / "missing.png")
    Image.effect_noise((64, 64), 50).save(tmp_path / "cut.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "cut.png").read_bytes()[:500])
    with pytest.raises(UserError, match="cannot read "):
        open_picture(tmp_path / "cut.png")


def test_arrays_and_uris_that_are_no_pictures() -> None:
    with pytest.raises(UserError, match=r"an array of pixels .* not \(9, 9, 3\) float64"):
        open_picture(np.zeros((9, 9, 3)))
    with pytest.raises(UserError, match="no data URI with base64"):
        open_picture("data:image/png;base64,@@@")
    with pytest.raises(UserError, match="is not a picture"):
        open_picture("data:image/png;base64,aGVsbG8=")
