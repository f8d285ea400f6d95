"""The encoders experiment, on a tiny model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from helpers.evaluation import Counted, Letters, evaluation, tiny_cascade

from ediffi.core.errors import UserError
from ediffi.evaluate.encoders import EncodersConfig, encoders, worded
from ediffi.pictogram.grid import Grid

pytestmark = pytest.mark.usefixtures("quick_judges")
SMALL = EncodersConfig(num_images=8, guidance=(1, 2))


def test_both_encoders_are_compared(
    grid: Grid, cache: Path, clip_folder: Path, tmp_path: Path
) -> None:
    asked = evaluation(grid, cache, tmp_path, clip_folder)
    cascade = tiny_cascade({"t5": Letters(), "clip_text": Counted()})
    asked = replace(asked, subject=replace(asked.subject, cascade=cascade))
    record = encoders(asked, SMALL)
    assert record["impossible"] == []
    for lines in record["curves"].values():
        assert set(lines) == {"t5", "clip_text", "both"}
        assert [point["guidance"] for point in lines["both"]] == [1, 2]
    text = (tmp_path / "encoders.md").read_text()
    assert "`clip_text` is filled by letter counts" in text and "| long | both | 2 |" in text
    assert (tmp_path / "encoders-short.svg").exists() and (tmp_path / "encoders-long.svg").exists()
    before = (tmp_path / "encoders.json").read_bytes()
    encoders(asked, SMALL)  # nothing is drawn again
    assert (tmp_path / "encoders.json").read_bytes() == before


def test_a_model_without_clip_says_so(
    grid: Grid, cache: Path, clip_folder: Path, tmp_path: Path
) -> None:
    record = encoders(evaluation(grid, cache, tmp_path, clip_folder), SMALL)
    assert record["impossible"] == ["clip_text", "both"]
    text = (tmp_path / "encoders.md").read_text()
    assert "**The comparison is not possible**: the model has no encoder for clip_text" in text


def test_captions_of_a_length(grid: Grid, cache: Path, clip_folder: Path, tmp_path: Path) -> None:
    prompts = evaluation(grid, cache, tmp_path, clip_folder).data.prompts
    assert all(4 <= len(text.split()) <= 8 for text in worded(prompts, 5, 4, 8).captions)
    with pytest.raises(UserError, match="captions of 90 to 99 words are too rare: 0 of 400"):
        worded(prompts, 2, 90, 99)
