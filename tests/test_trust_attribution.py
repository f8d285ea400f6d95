"""The nearest training pictures of a picture, by the tests' CLIP with random weights."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers.cli import run as ediffi
from helpers.collections import good, picture
from helpers.collections import run as import_
from PIL import Image

from ediffi.data.entries import ShardEntries
from ediffi.encoders.clip import ClipImageEncoder
from ediffi.encoders.spec import EncoderSpec
from ediffi.model import ModelFolder
from ediffi.pictogram.entries import trained_on
from ediffi.pictogram.grid import Grid
from ediffi.trust.attribution import PARTS, open_index

NUM = 12


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for number in range(NUM):
        good(folder / "in", number)
    import_(folder / "in", folder / "shards", licence="CC0-1.0")
    return folder / "shards"


@pytest.fixture(scope="module")
def encoder(clip_folder: Path) -> ClipImageEncoder:
    return ClipImageEncoder.load(EncoderSpec(kind="clip_image", source=str(clip_folder)))


def test_a_training_picture_is_its_own_nearest(
    shards: Path, encoder: ClipImageEncoder, tmp_path: Path
) -> None:
    index = open_index(ShardEntries(shards), encoder, "hash", tmp_path)
    for number in (0, 5):
        near = index.nearest(ShardEntries(shards).picture(number), encoder, 4)
        assert near[0].number == number and near[0].part == "all"
        assert near[0].score == pytest.approx(1, abs=2e-3)
        assert [one.score for one in near] == sorted((one.score for one in near), reverse=True)
        assert (near[0].source, near[0].licence) == ("test", "CC0-1.0")


def test_each_of_two_things_is_found(
    shards: Path, encoder: ClipImageEncoder, tmp_path: Path
) -> None:
    """Two training pictures in opposite corners of a larger one."""
    entries = ShardEntries(shards)
    index = open_index(entries, encoder, "hash", tmp_path)
    canvas = picture(99, (160, 160))
    side = round(160 * 0.6)
    x0, y0, *_ = PARTS["bottom right"]
    canvas.paste(entries.picture(3).resize((side, side)), (round(x0 * 160), round(y0 * 160)))
    near = index.nearest(canvas, encoder, NUM)
    assert {one.number: one.part for one in near}[3] == "bottom right"
    assert near[0].number == 3


def test_the_index_is_kept_and_belongs_to_its_pictures(
    shards: Path, encoder: ClipImageEncoder, tmp_path: Path
) -> None:
    built: list[int] = []
    first = open_index(ShardEntries(shards), encoder, "hash", tmp_path, built.append)
    assert built[-1] == NUM
    again = open_index(ShardEntries(shards), encoder, "hash", tmp_path, lambda n: pytest.fail())
    assert again.vectors.equal(first.vectors) and again.rows == first.rows
    open_index(ShardEntries(shards), encoder, "another", tmp_path)
    files = list(tmp_path.glob("*.safetensors"))
    assert len(files) == 2
    for file in files:
        file.write_bytes(file.read_bytes()[:-40])  # damaged: built anew
    assert open_index(ShardEntries(shards), encoder, "hash", tmp_path).rows == first.rows


def test_the_command(
    shards: Path, whole_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("EDIFFI_CACHE", str(tmp_path / "cache"))
    ShardEntries(shards).picture(7).save(tmp_path / "asked.png")
    options = ["--model", whole_folder, "--data", shards, "-n", 3]
    sheet = tmp_path / "near.png"
    assert ediffi("attribute", tmp_path / "asked.png", *options, "-o", sheet) == 0
    out = capsys.readouterr().out
    assert "not the same as cause" in out and "CC0-1.0" in out and "of 12 training" in out.lower()
    assert Image.open(sheet).size == (388, 388)
    assert ediffi("attribute", tmp_path / "asked.png", *options, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found["nearest"]) == 3 and found["nearest"][0]["number"] == 7


def test_a_model_without_a_clip(
    model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture(1).save(tmp_path / "asked.png")
    assert ediffi("attribute", tmp_path / "asked.png", "--model", model_folder) == 2
    assert "has no CLIP that reads pictures" in capsys.readouterr().err


def test_what_a_model_of_the_grid_was_trained_on(grid: Grid, model_folder: Path) -> None:
    """Nothing that is held out, and rasters of the vocabulary only."""
    config = ModelFolder(model_folder).config.model_copy(
        update={"styles": grid.styles, "vocabulary": {"fox": ()}}
    )
    cells = [cell for _, cell in trained_on(grid, config).cells]
    assert cells and not any(cell.held_out for cell in cells)
    raster = {cell.concept.label for cell in cells if cell.format != "svg"}
    assert raster <= {"fox"}
    assert {c.style for c in cells if c.format == "svg"} == {
        c.style for c in grid.cells.values() if c.format == "svg"
    }
