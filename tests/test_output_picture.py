"""Picture files: whole or absent, readable by people and by programs."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ediffi.core.errors import Notice, UserError
from ediffi.output import check_writable, read_parameters, save_picture, save_sheet

PARAMETERS = {
    "prompt": 'a "red" fox, später ein 狐',
    "seed": 7,
    "start_from": None,
    "stages": [{"stage": "base", "steps": 24}, {"stage": "sr256", "steps": 5}],
    "software": {"ediffi": "0.1.0"},
}


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (8, 12, 3), np.uint8)


def test_pixels_and_parameters_come_back(tmp_path: Path, pixels: np.ndarray) -> None:
    save_picture(tmp_path / "p.png", pixels, PARAMETERS)
    assert [path.name for path in tmp_path.iterdir()] == ["p.png"]
    with Image.open(tmp_path / "p.png") as image:
        assert np.array_equal(np.array(image), pixels)
        text = image.info["parameters"]
    assert read_parameters(tmp_path / "p.png") == PARAMETERS
    assert text.splitlines() == [
        'a "red" fox, später ein 狐',
        "seed: 7",
        "stages: stage base, steps 24",
        "stages: stage sr256, steps 5",
        "software: ediffi 0.1.0",
    ]


@pytest.mark.parametrize("name", ["p.jpg", "p.jpeg", "p.webp"])
def test_other_formats_tell_it_as_well(tmp_path: Path, pixels: np.ndarray, name: str) -> None:
    save_picture(tmp_path / name, pixels, PARAMETERS)
    assert read_parameters(tmp_path / name) == PARAMETERS
    with Image.open(tmp_path / name) as image:
        assert image.format == {"p.webp": "WEBP"}.get(name, "JPEG")
        assert 'a "red" fox, später ein 狐\nseed: 7' in image.info["xmp"].decode()
    save_picture(tmp_path / name, np.full((64, 64, 3), 90, np.uint8), {})
    with Image.open(tmp_path / name) as image:
        assert np.abs(np.asarray(image).astype(int) - 90).max() <= 2


def test_what_is_too_long_for_a_jpeg(tmp_path: Path, pixels: np.ndarray) -> None:
    long = {"regions": [{"phrase": "x" * 80_000}]}
    save_picture(tmp_path / "p.png", pixels, long)
    assert read_parameters(tmp_path / "p.png") == long
    with pytest.warns(Notice, match="too long for a JPEG"):
        save_picture(tmp_path / "p.jpg", pixels, long)
    with pytest.raises(UserError, match="does not say how it was made"):
        read_parameters(tmp_path / "p.jpg")


def test_the_text_is_in_the_file_as_it_stands(tmp_path: Path, pixels: np.ndarray) -> None:
    save_picture(tmp_path / "p.png", pixels, {"prompt": "a red fox", "seed": 7})
    assert b"a red fox\nseed: 7" in (tmp_path / "p.png").read_bytes()


def test_a_failed_write_leaves_nothing(tmp_path: Path, pixels: np.ndarray) -> None:
    (tmp_path / "taken.png").mkdir()
    with pytest.raises(UserError, match=r"cannot write .*taken\.png"):
        save_picture(tmp_path / "taken.png", pixels, {})
    assert [path.name for path in tmp_path.iterdir()] == ["taken.png"]


def test_a_file_as_folder_is_said_plainly(tmp_path: Path, pixels: np.ndarray) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot write .*p\.png: Not a directory"):
        save_picture(tmp_path / "file" / "p.png", pixels, {})


def test_check_writable(tmp_path: Path) -> None:
    check_writable(tmp_path / "p.png")
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").write_text("")
    for path, complaint in (
        (tmp_path, "it is a folder"),
        (tmp_path / "no" / "p.png", "no folder"),
        (tmp_path / "file" / "p.png", "no folder"),
        (tmp_path / f"{'x' * 300}.png", "File name too long"),
    ):
        with pytest.raises(UserError, match=complaint):
            check_writable(path)


def test_files_without_parameters(tmp_path: Path, pixels: np.ndarray) -> None:
    Image.fromarray(pixels).save(tmp_path / "plain.png")
    with pytest.raises(UserError, match="does not say how it was made"):
        read_parameters(tmp_path / "plain.png")
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(UserError, match="is not a picture"):
        read_parameters(tmp_path / "text.png")
    with pytest.raises(UserError, match="cannot read"):
        read_parameters(tmp_path / "none.png")


@pytest.mark.parametrize("name", ["sheet.png", "sheet.webp"])
def test_sheets(tmp_path: Path, name: str) -> None:
    save_sheet(tmp_path / name, np.full((4, 32, 32, 3), 200, np.uint8), max_side=34)
    with Image.open(io.BytesIO((tmp_path / name).read_bytes())) as image:
        assert image.size == (34, 34) and image.format == name.split(".")[1].upper()
    with pytest.raises(UserError, match=r"\.png or a \.webp"):
        save_sheet(tmp_path / "sheet.gif", np.zeros((1, 8, 8, 3), np.uint8))
