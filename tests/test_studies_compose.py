"""The fixed prompts of the metric `compose`."""

from __future__ import annotations

import pytest

from ediffi.core.errors import UserError
from ediffi.evaluate.compose_prompts import COMPOSE, KINDS, read_compose
from ediffi.pictogram.grid import Grid
from ediffi.pictogram.scene import vocabulary
from studies.compose_prompts import EACH, compose_prompts


def test_the_shipped_compose_prompts_are_those_of_the_grid() -> None:
    rows = read_compose(COMPOSE)
    assert [sum(row.kind == kind for row in rows) for kind in KINDS] == [EACH] * len(KINDS)
    assert [row.seed for row in rows] == list(range(len(rows)))
    assert {t.hexcode for row in rows for t in row.things} <= set(vocabulary())
    try:
        grid = Grid.load()
    except UserError:
        pytest.skip("the pictogram grid is not built")
    assert rows == compose_prompts(grid)
