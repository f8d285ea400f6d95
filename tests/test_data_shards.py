"""Shards: written, read by number; and nothing held out gets through them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.collections import good
from PIL import Image
from tiny_grid import STYLES

from ediffi.cli.main import main
from ediffi.core.errors import UserError
from ediffi.data.heldout import is_held_out
from ediffi.data.importing import encoded, import_collection
from ediffi.data.readers import Record, read
from ediffi.data.shard_set import ShardSet
from ediffi.data.sharding import reshard
from ediffi.data.shards import ShardWriter
from ediffi.pictogram.composer import Composer, SceneConfig
from ediffi.pictogram.grid import Grid
from ediffi.pictogram.scenes import Scenes
from ediffi.pictogram.sharding import shard_scenes


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten pictures of one's own as shards of four, the last with three captions."""
    folder = tmp_path_factory.mktemp("mine")
    for number in range(10):
        good(
            folder / "in", number, "a red fox\na tree\na rocket" if number == 9 else f"cat {number}"
        )
    import_collection(
        read(folder / "in"), folder / "out", source="mine", licence="CC0", shard_size=4
    )
    return folder / "out"


def scenes(grid: Grid, **settings: Any) -> Scenes:
    return Scenes(Composer(grid, SceneConfig(styles=STYLES, **settings)))


def write_scenes(grid: Grid, target: Path, count: int = 40) -> ShardSet:
    shard_scenes(scenes(grid), count, 32, target, shard_size=16)
    return ShardSet(target)


def test_every_picture_comes_once_in_an_order_of_its_seed(mine: Path) -> None:
    shards = ShardSet(mine, seed=1)
    names = [shards.stored(index)[0].name for index in range(len(shards))]
    assert sorted(names) == [f"good-{n}.png" for n in range(10)] != names
    assert [shards.stored(index + 10)[0].name for index in range(10)] == names
    other = ShardSet(mine, seed=2)
    assert [other.stored(index)[0].name for index in range(10)] != names
    by_name = {shards.stored(i)[0].name: shards.name(i) for i in range(10)}
    assert by_name == {other.stored(i)[0].name: other.name(i) for i in range(10)}


def test_pixels_are_the_middle_square_and_windows_of_it(mine: Path, tmp_path: Path) -> None:
    wide = Image.new("RGB", (300, 100), "red")
    wide.paste((0, 0, 255), (100, 0, 200, 100))
    with ShardWriter(tmp_path / "wide") as shards:
        shards.add(Record("wide", b"", ("a",), "me", "CC0"), encoded(wide))
    pixels = ShardSet(tmp_path / "wide").pixels(0, 50)
    assert pixels.shape == (50, 50, 3) and (pixels[:, 5:45] == (0, 0, 255)).all()

    shards = ShardSet(mine)
    whole = shards.pixels(3, 80)
    places = set()
    for seed in range(8):
        window = shards.pixels(3, 80, crop=16, seed=seed)
        assert np.array_equal(window, shards.pixels(3, 80, crop=16, seed=seed))
        found = [
            (x, y) for y in range(65) for x in range(65)
            if np.array_equal(whole[y : y + 16, x : x + 16], window)
        ]  # fmt: skip
        assert len(found) == 1
        places.add(found[0])
    assert len(places) == 8


def test_a_stage_gets_pictures_that_are_large_enough(mine: Path) -> None:
    assert len(ShardSet(mine, min_size=80)) == 10
    with pytest.raises(UserError, match="no picture of at least 256 pixels: the largest has 80"):
        ShardSet(mine, min_size=256)


def test_damage_is_found(mine: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(mine, copy)
    data = bytearray((copy / "000001.tar").read_bytes())
    data[700] ^= 1
    (copy / "000001.tar").write_bytes(data)
    shards = ShardSet(copy)
    with pytest.raises(UserError, match=r"000001\.tar is damaged: sha256"):
        [shards.stored(index) for index in range(10)]
    (copy / "000001.tar").write_bytes(data[:-512])
    with pytest.raises(UserError, match=r"000001\.tar has [\d,]+ bytes"):
        ShardSet(copy)
    with pytest.raises(UserError, match="is no folder of shards"):
        ShardSet(tmp_path)


def test_shards_are_written_anew_in_another_size(mine: Path, tmp_path: Path) -> None:
    first = ShardSet(mine)
    reshard(first, tmp_path / "new", shard_size=3)
    again = ShardSet(tmp_path / "new")
    assert len(list((tmp_path / "new").glob("*.tar"))) == 4
    for shards in (first, again):
        assert len(shards) == 10
    contents = [{s.stored(i)[0].name: s.stored(i) for i in range(10)} for s in (first, again)]
    assert contents[0] == contents[1]
    # and they are a collection that can be imported
    report = import_collection(
        read(tmp_path / "new"), tmp_path / "back", source="x", licence="x", shard_size=4
    )
    assert report.kept == 10 and report.captions == 12
    assert ShardSet(tmp_path / "back").sources()[0].licence == "CC0"


def test_scenes_as_shards_are_the_scenes(grid: Grid, tmp_path: Path) -> None:
    shards = write_scenes(grid, tmp_path / "scenes")
    composed = scenes(grid)
    for index in range(5):
        record, _ = shards.stored(index)
        number = int(record.name.split()[1])
        assert np.array_equal(shards.pixels(index, 32), composed.pixels(number, 32))
        assert record.captions == composed.captions(number)
        assert record.licence == "MIT" and record.source and "@tiny/" in record.source


# Nothing held out reaches a batch: through the composer it is tested in test_data_composer.


def test_shards_of_scenes_hold_nothing_held_out(grid: Grid, tmp_path: Path) -> None:
    shards = write_scenes(grid, tmp_path / "scenes", 200)
    shown = {cell for index in range(200) for cell in shards.stored(index)[0].cells}
    assert len(shown) > 20 and not any(is_held_out(*cell) for cell in shown)
    assert any(cell.held_out for cell in grid.cells.values())  # there is something to keep out
    for split in ("all", "held-out"):
        with pytest.raises(UserError, match="not for training"):
            shard_scenes(scenes(grid, split=split), 4, 32, tmp_path / "x", shard_size=4)


def test_held_out_scenes_in_shards_are_not_imported(tmp_path: Path) -> None:
    """Shards that somebody else made of a held-out and of an ordinary scene."""
    record = Record("bat", b"", ("a bat",), "me", "CC0", (("1F987", "noto"),))
    other = Record("fox", b"", ("a fox",), "me", "CC0", (("1F98A", "noto"),))
    with ShardWriter(tmp_path / "shards") as shards:
        shards.add(record, encoded(Image.effect_noise((64, 64), 50).convert("RGB")))
        shards.add(other, encoded(Image.effect_noise((64, 64), 90).convert("RGB")))
    report = import_collection(read(tmp_path / "shards"), tmp_path / "out", source="x", licence="x")
    assert report.dropped == {"held out": 1} and report.kept == 1


def test_commands(grid: Grid, mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pictogram").symlink_to(grid.path)
    monkeypatch.setenv("EDIFFI_CACHE", str(tmp_path))
    assert main(["data", "shard", str(mine), "-o", str(tmp_path / "a"), "--shard-size", "5"]) == 0
    done = ["data", "shard", "-o", str(tmp_path / "b"), "--all", "--style", "noto"]
    assert main([*done, "--num-images", "8", "--size", "64"]) == 0
    assert len(ShardSet(tmp_path / "b")) == 8
