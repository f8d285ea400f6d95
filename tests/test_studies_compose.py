"""The protocol `compose`: its list, its judgement of real pictures, and a run on a tiny model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers.evaluation import evaluation

from ediffi.core.errors import UserError
from ediffi.pictogram.grid import Grid
from ediffi.pictogram.scene import vocabulary
from studies.compose import by_kind, compose_table, look, run
from studies.compose_maker import EACH, compose_prompts
from studies.compose_rows import COMPOSE, KINDS, ComposePrompt, truth

pytestmark = pytest.mark.usefixtures("quick_judges")


def test_the_shipped_prompts_are_those_of_the_grid() -> None:
    rows = ComposePrompt.read(COMPOSE)
    assert [sum(row.kind == kind for row in rows) for kind in KINDS] == [EACH] * len(KINDS)
    assert [row.seed for row in rows] == list(range(len(rows)))
    assert {t.hexcode for row in rows for t in row.things} <= set(vocabulary())
    try:
        grid = Grid.load()
    except UserError:
        pytest.skip("the pictogram grid is not built")
    assert rows == compose_prompts(grid)


def test_real_compositions_are_judged_right(
    grid: Grid, cache: Path, clip_folder: Path, tmp_path: Path
) -> None:
    asked = evaluation(grid, cache, tmp_path, clip_folder)
    cells = grid.cells
    rows = [
        row
        for row in ComposePrompt.read(COMPOSE)
        if all((thing.hexcode, "emojione") in cells for thing in row.things)
    ]
    pictures = [truth(asked.data.composer, row, "emojione", 64) for row in rows]
    seen = look(pictures, asked.judges, lambda more: None)
    found, null = (by_kind(rows, seen, asked.judges, null=n) for n in (False, True))
    assert set(found) == set(KINDS)
    assert found["background"]["right"]["share"] == 1 > null["background"]["right"]["share"]
    for kind, name in (("count", "right"), ("colour", "colour_right")):
        if found[kind]:
            assert found[kind][name]["share"] > 0.7


def test_run(grid: Grid, cache: Path, clip_folder: Path, tmp_path: Path) -> None:
    asked = evaluation(grid, cache, tmp_path, clip_folder)
    results = run(asked, COMPOSE)
    assert json.loads((tmp_path / "compose.json").read_text()) == results
    assert results["protocol"]["list"] == "compose_prompts.jsonl" and results["prompts"] > 5
    assert "| background | right |" in compose_table(results)
    assert run(asked, COMPOSE) == results
