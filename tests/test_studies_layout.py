"""The protocol `layout`, on a random tiny model and a tiny grid."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.networks import SKETCHED

from ediffi.core.errors import UserError
from ediffi.encoders import DEFAULT_TEXT, load_encoder
from ediffi.evaluate.gallery import Subject
from ediffi.model import Cascade, ModelConfig, Sampling, Stage, StageConfig
from ediffi.networks import build_denoiser
from ediffi.paint import RegionForm, place
from ediffi.pictogram.grid import Grid
from studies.layout import SWEEP, layout_table, run
from studies.layout_maker import NUM, make_layouts
from studies.layout_rows import KINDS, LAYOUTS, Layout
from studies.rows import write_rows

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
        placed = place(row.prompt, row.painting(0.5, RegionForm())).regions
        assert len(placed) == len(row.things)
        for region in placed:
            assert 0.03 < float(region.mask.mean()) < 0.25
        together = np.sum([thing.mask() > 0.5 for thing in row.things], axis=0)
        assert (together > 1).mean() < 0.01
        assert all(0 <= end <= 1 for thing in row.things for end in thing.box)


def test_the_shipped_layouts_are_those_of_the_grid() -> None:
    shipped = Layout.read(LAYOUTS)
    assert len(shipped) == NUM >= 200
    try:
        grid = Grid.load()
    except UserError:
        pytest.skip("the pictogram grid is not built")
    assert shipped == make_layouts(grid)


def tiny_cascade() -> Cascade:
    stage = StageConfig(
        name="base",
        resolution=64,
        network=SKETCHED.model_copy(update={"roles": {"t5": 384}}),
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
    subject = Subject(
        tiny_cascade(), tiny_cascade, tmp_path, report=lambda *what: told.append(what)
    )
    results = run(subject, path, grid)
    assert sum(more for what, more, _ in told if what == "shuffled") == 3
    assert json.loads((tmp_path / "layout.json").read_text()) == results
    assert (tmp_path / "layout.webp").stat().st_size > 1000
    columns = results["columns"]
    assert list(columns) == ["none", "ours 0.5", "paper 0.5", "std 1", "shuffled", "composer"]
    assert len(results["sweep"]) == len(SWEEP)
    assert columns["composer"]["right"]["share"] > columns["none"]["right"]["share"]
    assert columns["composer"]["iou"] > columns["none"]["iou"]
    assert results["protocol"]["num_layouts"] == 3 and results["protocol"]["num_things"] == 6
    aim = results["aims"]["ours 0.5"]
    assert aim["iou_of_ceiling"] == columns["ours 0.5"]["iou"] / columns["composer"]["iou"]
    text = layout_table(results)
    assert "| composer (3) |" in text and "std 1: right" in text and "(aim 85 %)" in text

    folders = sorted((tmp_path / "pictures").iterdir())
    drawn = [tuple(p.read_bytes() for p in sorted(f.glob("*.png"))) for f in folders]
    # none, three forms, shuffled, things alone and the sweep; and features of the real ones
    assert len(set(drawn)) == 6 + len(results["sweep"]) + 1 and drawn.count(()) == 1
    # run again: only what is missing is drawn, nothing else comes out
    next(folders[0].glob("00001.png")).unlink()
    stamps = {p: p.stat().st_mtime_ns for f in folders[1:] for p in f.glob("*.png")}
    assert run(subject, path, grid) == results
    assert {p: p.stat().st_mtime_ns for p in stamps} == stamps


def test_too_few_things_for_a_judge(grid: Grid, rows: Sequence[Layout], tmp_path: Path) -> None:
    path = tmp_path / "layouts.jsonl"
    write_rows(path, [rows[0], rows[0]])
    with pytest.raises(UserError, match="at least 5 different things"):
        run(Subject(tiny_cascade(), tiny_cascade, tmp_path), path, grid)
