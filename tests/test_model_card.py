"""Model cards: what a folder says of itself, unless a person has said it otherwise."""

from __future__ import annotations

import shutil
from pathlib import Path

from ediffi.model import ModelFolder
from ediffi.model.card import write_card


def test_a_card_is_written_and_a_persons_own_is_kept(model_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "my-model"
    shutil.copytree(model_folder, folder)
    write_card(folder)
    said = (folder / "README.md").read_text()
    for stage in ModelFolder(folder).config.stages:
        assert f"| {stage.name} | {stage.resolution} | {stage.images_seen} |" in said
    assert ModelFolder(folder).hash in said and 'ediffi generate "a red fox"' in said
    (folder / "README.md").write_text("my words")
    write_card(folder)
    assert (folder / "README.md").read_text() == "my words"
