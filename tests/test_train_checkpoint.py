"""Checkpoints: whole or not there; damage gives way to the one before; a full disk is told of."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from ediffi.core.errors import UserError
from ediffi.train.checkpoint import found, load_checkpoint, save_checkpoint

TENSORS = {"a": torch.arange(1000.0), "b": torch.ones(3, dtype=torch.bfloat16)}


def write(folder: Path, *images: int) -> None:
    for number in images:
        save_checkpoint(folder, number, {**TENSORS, "n": torch.tensor(number)}, {"config": {}})


def test_the_newest_is_read_and_two_are_kept(tmp_path: Path) -> None:
    assert load_checkpoint(tmp_path, print) is None
    write(tmp_path, 8, 16, 24)
    loaded = load_checkpoint(tmp_path, print)
    assert loaded is not None and loaded[1]["images"] == 24 and int(loaded[0]["n"]) == 24
    assert all(torch.equal(loaded[0][name], tensor) for name, tensor in TENSORS.items())
    assert [path.stem for path in found(tmp_path)] == ["0000000024", "0000000016"]
    assert len(list(tmp_path.iterdir())) == 4


def test_a_damaged_one_gives_way_to_the_one_before(tmp_path: Path) -> None:
    write(tmp_path, 8, 16)
    newest, older = (path.with_suffix(".safetensors") for path in found(tmp_path))
    data = bytearray(newest.read_bytes())
    data[-5] ^= 1
    newest.write_bytes(data)
    said: list[str] = []
    loaded = load_checkpoint(tmp_path, said.append)
    assert loaded is not None and loaded[1]["images"] == 8
    assert str(newest) in said[0] and "damaged" in said[0]
    older.write_bytes(b"short")
    with pytest.raises(UserError, match="every checkpoint"):
        load_checkpoint(tmp_path, said.append)


def test_a_full_disk_keeps_the_last_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, 16)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match=r"No space left on device.*checkpoint is 0000000016"):
        write(tmp_path, 32)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot write to the run's folder .*file/run"):
        write(tmp_path / "file" / "run", 8)


def test_what_a_killed_process_left_is_cleared(tmp_path: Path) -> None:
    (tmp_path / ".0000000008.safetensors.part").write_bytes(b"half")
    write(tmp_path, 16)
    assert not list(tmp_path.glob(".*"))
