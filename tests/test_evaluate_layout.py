"""The protocol `layout`, on a random tiny model and a tiny grid."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ediffi.cascade import Cascade, ModelConfig, Sampling, Stage, StageConfig
from ediffi.conditioning import DEFAULT_TEXT, load_encoder
from ediffi.data.grid import Grid
from ediffi.errors import UserError
from ediffi.evaluate.judge import ConceptJudge
from ediffi.evaluate.layout import SWEEP, painted, run, shuffled, unpainted
from ediffi.evaluate.layouts import (
    KINDS,
    LAYOUTS,
    NUM,
    Layout,
    Place,
    make_layouts,
    read_layouts,
)
from ediffi.evaluate.placement import candidates, cut, overlap, right
from ediffi.evaluate.plots import layout_table
from ediffi.evaluate.rows import write_rows
from ediffi.networks import PRESETS, build_denoiser
from ediffi.paint import RegionForm, place

STYLES = ("noto", "emojione")


@pytest.fixture(scope="module")
def rows(grid: Grid) -> Sequence[Layout]:
    return make_layouts(grid, 18, STYLES)


def test_layouts_are_fixed_and_paint_the_words_they_name(
    grid: Grid, rows: Sequence[Layout]
) -> None:
    assert rows == make_layouts(grid, 18, STYLES)
    assert {(len(row.things), row.things[0].kind) for row in rows} == {
        (count, kind) for count in (2, 3) for kind in KINDS
    }
    for row in rows:
        assert f"{row.background} background" in row.prompt
        placed = place(row.prompt, row.painting(0.5, RegionForm()))
        assert len(placed) == len(row.things)
        for region in placed:
            assert 0.03 < float(region.mask.mean()) < 0.25
        together = np.sum([thing.mask() > 0.5 for thing in row.things], axis=0)
        assert (together > 1).mean() < 0.01
        assert all(0 <= end <= 1 for thing in row.things for end in thing.box)


def test_the_shipped_layouts_are_those_of_the_grid() -> None:
    shipped = read_layouts(LAYOUTS)
    assert len(shipped) == NUM >= 200
    try:
        grid = Grid.load()
    except UserError:
        pytest.skip("the pictogram grid is not built")
    assert shipped == make_layouts(grid)


def test_partners_have_as_many_things(rows: Sequence[Layout]) -> None:
    for row, partner in zip(rows, shuffled(rows), strict=True):
        assert partner is not row and len(partner.things) == len(row.things)
    with pytest.raises(UserError, match="at least two"):
        shuffled(rows[:3])


def test_the_judge_chooses_from_its_candidates() -> None:
    corners = torch.eye(4)
    judge = ConceptJudge.fit(corners.repeat(2, 1), list("abcd") * 2)
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


def tiny_cascade() -> Cascade:
    stage = StageConfig(
        name="base",
        resolution=64,
        network=PRESETS["tiny"]["base"].model_copy(update={"roles": {"t5": 384}}),
        sigma_data=0.5,
        sampling=Sampling(num_steps=2, sigma_min=0.05, sigma_max=80.0),
    )

    def random_stage(config: StageConfig) -> Stage:
        torch.manual_seed(0)
        denoiser = build_denoiser(config.network, config.sigma_data)
        for parameter in denoiser.parameters():  # a fresh network is zero at its end
            torch.nn.init.normal_(parameter, std=0.3)
        return Stage(config, denoiser)

    config = ModelConfig(name="tiny", stages=(stage,), encoders={"t5": DEFAULT_TEXT})
    encoders = {"t5": load_encoder(DEFAULT_TEXT)}
    return Cascade(config, random_stage, encoders=encoders, hash="0" * 64)


def test_run_writes_figures_and_a_sheet(grid: Grid, rows: Sequence[Layout], tmp_path: Path) -> None:
    path = tmp_path / "layouts.jsonl"
    write_rows(path, [rows[0], rows[3], rows[7]])
    told: list[tuple[str, int, int]] = []
    results = run(tiny_cascade(), path, tmp_path, grid=grid, report=lambda *what: told.append(what))
    assert sum(more for what, more, _ in told if what == "shuffled") == 3
    assert json.loads((tmp_path / "layout.json").read_text()) == results
    assert (tmp_path / "layout.webp").stat().st_size > 1000
    columns = results["columns"]
    assert list(columns) == ["none", "ours 0.5", "paper 0.5", "std 1", "shuffled", "composer"]
    assert len(results["sweep"]) == sum(map(len, SWEEP.values()))
    assert columns["composer"]["right"]["share"] > columns["none"]["right"]["share"]
    assert columns["composer"]["iou"] > columns["none"]["iou"]
    assert results["protocol"]["num_layouts"] == 3 and results["protocol"]["num_things"] == 6
    aim = results["aims"]["ours 0.5"]
    assert aim["iou_of_ceiling"] == columns["ours 0.5"]["iou"] / columns["composer"]["iou"]
    text = layout_table(results)
    assert "| composer (3) |" in text and "std 1: right" in text and "(aim 85 %)" in text

    folders = sorted((tmp_path / "pictures-layout").iterdir())
    drawn = [tuple(p.read_bytes() for p in sorted(f.glob("*.png"))) for f in folders]
    # none, three forms, shuffled, things alone and the sweep; and features of the real ones
    assert len(set(drawn)) == 6 + len(results["sweep"]) + 1 and drawn.count(()) == 1
    # run again: nothing is drawn, nothing else comes out
    for path_of_one in folders[0].glob("00001.png"):
        path_of_one.unlink()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Cascade, "generate", _counted(calls := []))
        again = run(tiny_cascade(), path, tmp_path, grid=grid)
    assert again == results and len(calls) <= 1


def _counted(calls: list[int]) -> Any:
    whole = Cascade.generate

    def generate(self: Cascade, prompts: Sequence[str], **options: Any) -> torch.Tensor:
        calls.append(len(prompts))
        return whole(self, prompts, **options)

    return generate


def test_too_few_things_for_a_judge(grid: Grid, rows: Sequence[Layout], tmp_path: Path) -> None:
    path = tmp_path / "layouts.jsonl"
    write_rows(path, [rows[0], rows[0]])
    with pytest.raises(UserError, match="at least 5 different things"):
        run(tiny_cascade(), path, tmp_path, grid=grid)


def test_bad_lists_are_named(tmp_path: Path) -> None:
    path = tmp_path / "layouts.jsonl"
    with pytest.raises(UserError, match="cannot read"):
        read_layouts(path)
    path.write_text('{"prompt": "a fox"}\n')
    with pytest.raises(UserError, match=r"layouts\.jsonl is no list of layouts"):
        read_layouts(path)


def test_painted_and_unpainted_differ_in_the_paint_alone(rows: Sequence[Layout]) -> None:
    plain, drawn = unpainted(rows, 64), painted(rows, 64, "ours", 0.5)
    options = drawn.options([0, 1])
    assert len(options.pop("regions")) == 2 and options == plain.options([0, 1])
