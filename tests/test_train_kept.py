"""Examples on disk: what is read is what was made, by whomever, once; damage is named."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.training import SCENES, bert_text, config, scenes_of
from tiny_grid import STYLES

from ediffi.core.errors import UserError
from ediffi.data.heldout import is_held_out
from ediffi.encoders.cache import Halves
from ediffi.pictogram.grid import Grid
from ediffi.train.examples import Examples
from ediffi.train.kept import Block, Caption, Example, Kept


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ediffi.train.kept.BLOCK", 4)


def halves(length: int, value: float) -> Halves:
    return torch.full((length, 8), value).half(), torch.full((8,), value).half()


def example(number: int) -> Example:
    """Of number: as many captions as it says modulo 3, and one."""
    captions = [
        Caption(
            {"t5": halves(2 + n, number), "clip_text": halves(3, -number)},
            {"t5": np.arange(2 + n, dtype=np.uint8), "clip_text": np.ones(3, np.uint8)},
            np.full((6, 32, 32), number, np.uint8),
            (True, False)[: n + 1],
            tells_style=n == 0,
        )
        for n in range(number % 3 + 1)
    ]
    pixels = torch.full((3, 16, 16), number, dtype=torch.uint8)
    style = None if number % 4 == 0 else f"style-{number}"
    return Example(pixels, captions, halves(1, number), style, number % 2 == 0)


def make(numbers: Sequence[int]) -> list[Example]:
    return [example(number) for number in numbers]


def same(a: Example, b: Example) -> bool:
    def halves_equal(one: Halves, other: Halves) -> bool:
        return all(torch.equal(x, y) for x, y in zip(one, other, strict=True))

    def captions_equal(one: Caption, other: Caption) -> bool:
        return (
            one.tokens.keys() == other.tokens.keys() == one.marks.keys()
            and all(halves_equal(one.tokens[r], other.tokens[r]) for r in one.tokens)
            and all(np.array_equal(one.marks[r], other.marks[r]) for r in one.marks)
            and np.array_equal(one.masks, other.masks)
            and (one.things, one.tells_style) == (other.things, other.tells_style)
        )

    assert a.reference is not None and b.reference is not None
    return (
        torch.equal(a.pixels, b.pixels)
        and len(a.captions) == len(b.captions)
        and all(captions_equal(x, y) for x, y in zip(a.captions, b.captions, strict=True))
        and halves_equal(a.reference, b.reference)
        and (a.style, a.alone) == (b.style, b.alone)
    )


def test_a_block_read_is_the_block_made(tmp_path: Path) -> None:
    made = Block.of(make(range(3, 8)))
    made.write(tmp_path / "block.safetensors")
    read = Block.read(tmp_path / "block.safetensors")
    assert len(read) == len(made) == 5 and read.bytes == made.bytes > 0
    for row in range(5):
        assert same(read.example(row), example(3 + row)) and same(
            made.example(row), example(3 + row)
        )
        assert read.style(row) == example(3 + row).style


@pytest.mark.parametrize("workers", [0, 2])
def test_every_picture_is_found_in_any_order(workers: int, tmp_path: Path) -> None:
    kept = Kept(tmp_path, make, 18, workers=workers)
    for number in (7, 8, 17, 2, 3, 12):  # also before where the workers began
        assert same(kept[number], example(number))
    assert len(kept.block(4)) == 2  # the last is shorter


def test_workers_write_the_same_files_as_none(tmp_path: Path) -> None:
    for workers in (0, 2):
        kept = Kept(tmp_path / str(workers), make, 18, workers=workers)
        assert [len(kept.block(index)) for index in range(5)] == [4, 4, 4, 4, 2]
        assert kept.missing() == []
    files = sorted(path.name for path in (tmp_path / "0").iterdir())
    assert len(files) == 5 and files == sorted(path.name for path in (tmp_path / "2").iterdir())
    for name in files:
        assert (tmp_path / "0" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()


def test_a_second_run_finds_them(tmp_path: Path) -> None:
    def never(numbers: Sequence[int]) -> list[Example]:
        raise AssertionError("it is there")

    first = Kept(tmp_path, make, 18)
    assert same(first[5], example(5)) and first.missing() == [0, 2, 3, 4]
    again = Kept(tmp_path, never, 18)
    assert same(again[6], example(6)) and again.missing() == [0, 2, 3, 4]


@pytest.mark.parametrize("cut", [None, 100, 0])
def test_a_damaged_block_is_named(cut: int | None, tmp_path: Path) -> None:
    Kept(tmp_path, make, 8)[0]
    path = Kept(tmp_path, make, 8).path(0)
    path.write_bytes(b"no block" if cut is None else path.read_bytes()[:cut])
    with pytest.raises(UserError, match=r"block-000000.safetensors is damaged .*: delete it"):
        Kept(tmp_path, make, 8)[0]
    path.unlink()
    assert same(Kept(tmp_path, make, 8)[0], example(0))


def test_a_half_written_block_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(UserError, match="No space left on device"):
            Kept(tmp_path, make, 8)[0]
    kept = Kept(tmp_path, make, 8)
    assert kept.missing() == [0, 1] and same(kept[0], example(0))


def test_what_goes_wrong_in_a_worker_is_told_in_one_line(tmp_path: Path) -> None:
    def fails(numbers: Sequence[int]) -> list[Example]:
        raise UserError("picture 3 cannot be read")

    with pytest.raises(UserError) as caught:
        Kept(tmp_path, fails, 8, workers=1)[0]
    assert str(caught.value) == "picture 3 cannot be read"


def test_no_more_is_held_in_memory_than_fits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = Block.of(make(range(4)))
    monkeypatch.setattr("ediffi.train.kept.IN_MEMORY", 2 * one.bytes)
    kept = Kept(tmp_path, make, 40)
    first = kept.block(0)
    assert kept.block(0) is first
    for index in range(1, 10):
        kept.block(index)
    assert kept.block(0) is not first and same(kept[0], example(0))


def test_nothing_held_out_is_kept(grid: Grid, bert_folder: Path, tmp_path: Path) -> None:
    assert any(cell.held_out for cell in grid.cells.values())  # there is something to keep out
    every = SCENES.model_copy(update={"styles": STYLES})
    scenes = scenes_of(grid, every)
    settings = config(changes={"data.scenes": every.model_dump(), "data.num_pictures": 40})
    examples = Examples(settings, scenes, bert_text(bert_folder), folder=tmp_path)
    shown = set()
    for number in range(40):
        items = scenes.composer.scene(number).items
        shown |= {(item.hexcode, item.style) for item in items}
        pixels = torch.from_numpy(scenes.pixels(number, 64).copy()).permute(2, 0, 1)
        assert torch.equal(examples.kept[number].pixels, pixels)
    assert len(shown) > 20 and not any(is_held_out(*cell) for cell in shown)
