"""Painted layouts, and the judge of what stands where."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from ediffi.core.errors import UserError
from ediffi.pictogram.grid import Grid
from studies.layout_bench import painted, shuffled, unpainted
from studies.layout_maker import make_layouts
from studies.layout_rows import Layout, Place
from studies.nearest_mean import NearestMean
from studies.placement import candidates, cut, overlap, right

STYLES = ("noto", "emojione")


@pytest.fixture(scope="module")
def rows(grid: Grid) -> Sequence[Layout]:
    return make_layouts(grid, 18, STYLES)


def test_partners_have_as_many_things(rows: Sequence[Layout]) -> None:
    for row, partner in zip(rows, shuffled(rows), strict=True):
        assert partner is not row and len(partner.things) == len(row.things)
    with pytest.raises(UserError, match="at least two"):
        shuffled(rows[:3])


def test_the_judge_chooses_from_its_candidates() -> None:
    corners = torch.eye(4)
    judge = NearestMean.fit(corners.repeat(2, 1), list("abcd") * 2)
    seen = torch.tensor([[1.0, 0.9, 0.0, 0.0], [1.0, 0.9, 0.0, 0.0]])
    assert right(judge, seen, ["b", "b"], ["abc", "bcd"]) == [False, True]


def test_candidates_hold_the_layouts_own_things(rows: Sequence[Layout]) -> None:
    known = sorted({thing.hexcode for row in rows for thing in row.things})
    choices = iter(candidates(rows, known))
    for row in rows:
        for thing in row.things:
            choice = next(choices)
            assert thing.hexcode in choice and len(set(choice)) == len(choice)
            assert {other.hexcode for other in row.things} <= set(choice)


def test_overlap_and_cut_of_a_perfect_picture() -> None:
    square = ((0.25, 0.25), (0.75, 0.25), (0.75, 0.5), (0.25, 0.5))
    region = Place(hexcode="X", span=(0, 1), kind="box", points=square)
    picture = np.full((64, 64, 3), 255, np.uint8)
    picture[16:32, 16:48] = (200, 0, 0)
    assert overlap(picture, region.mask()) == 1.0
    assert overlap(np.full_like(picture, 255), region.mask()) == 0.0
    picture[32:48, 16:48] = (200, 0, 0)
    assert overlap(picture, region.mask()) == pytest.approx(0.5)
    shown = cut(picture, region.box)
    assert shown.shape == (35, 35, 3) and (shown[17, 17] == (200, 0, 0)).all()
    corner = cut(picture, (0.9, 0.9, 1.0, 1.0))
    assert (corner == 255).all()


def test_bad_lists_are_named(tmp_path: Path) -> None:
    path = tmp_path / "layouts.jsonl"
    with pytest.raises(UserError, match="cannot read"):
        Layout.read(path)
    path.write_text('{"prompt": "a fox"}\n')
    with pytest.raises(UserError, match=r"layouts\.jsonl is no list of layouts"):
        Layout.read(path)


def test_painted_and_unpainted_differ_in_the_paint_alone(rows: Sequence[Layout]) -> None:
    plain, drawn = unpainted(rows, 64), painted(rows, 64, "ours", 0.5)
    options = drawn.options([0, 1])
    assert len(options.pop("regions")) == 2 and options == plain.options([0, 1])
