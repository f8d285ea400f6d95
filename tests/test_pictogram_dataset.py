"""The pictogram grid as what a model is measured on."""

from __future__ import annotations

import pytest
from helpers.evaluation import tiny_cascade

from ediffi.core.errors import UserError
from ediffi.data.heldout import half
from ediffi.pictogram.dataset import PictogramSet, concepts_of
from ediffi.pictogram.grid import Grid


def keys(data: PictogramSet, source: object, num: int = 40) -> set[tuple[str, str]]:
    scenes = [source.scene(number) for number in range(num)]  # type: ignore[attr-defined]
    return {(item.hexcode, item.style) for scene in scenes for item in scene.items}


def test_splits_and_halves_share_no_drawing(grid: Grid) -> None:
    config = tiny_cascade().config
    train, away = (PictogramSet(grid, config, split) for split in ("train", "held-out"))
    for data, held_out in ((train, False), (away, True)):
        shown = keys(data, data.prompts.source) | keys(data, data.reference.source)
        assert shown and all(grid.cells[key].held_out == held_out for key in shown)
    assert train.halves is not None
    for number, part in enumerate(train.halves):
        assert all(half(*key) == number for key in keys(train, part.source))


def test_concept_and_style_are_known_of_one_thing(grid: Grid) -> None:
    data = PictogramSet(grid, tiny_cascade().config, "train")
    few = data.prompts.first(30)
    for row, labels in zip(few.rows, few.labels, strict=True):
        items = few.source.scene(row).items  # type: ignore[attr-defined]
        known = (items[0].hexcode, items[0].style) if len(items) == 1 else (None, None)
        assert (labels.concept, labels.style) == known
    lessons = data.lessons
    shown = {(labels.concept, labels.style) for labels in lessons.labelled.labels}
    assert any(grid.cells[key].held_out for key in shown)  # a judge may know what no training sees
    assert shown == {(labels.concept, labels.style) for labels in lessons.labelled_test.labels}


def test_a_model_of_other_things_is_sent_elsewhere(grid: Grid) -> None:
    config = tiny_cascade().config
    named = config.model_copy(update={"vocabulary": {"fox": (), "rocket": ()}})
    assert concepts_of(named, grid) == ("1F98A", "1F680")
    strange = config.model_copy(update={"vocabulary": {"a logo": (), "a slogan": ()}})
    with pytest.raises(UserError, match="with --data FOLDER"):
        concepts_of(strange, grid)
