"""Which words a model was never taught."""

from __future__ import annotations

from pathlib import Path

import pytest

from ediffi.language.vocabulary import unknown_words
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
    assert unknown_words(text, config.vocabulary, config.phrases) == unknown
    assert unknown_words(text, {}, ()) == []  # a model that claims nothing
