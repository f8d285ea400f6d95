"""Which words a model was never taught."""

from __future__ import annotations

from pathlib import Path

import pytest

from ediffi.language import Vocabulary
from ediffi.model import ModelFolder


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
    assert Vocabulary(config.vocabulary, config.phrases).unknown_words(text) == unknown
    assert Vocabulary({}).unknown_words(text) == []  # a model that claims nothing
