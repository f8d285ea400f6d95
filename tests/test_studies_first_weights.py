"""The whole protocol, on a random tiny model and a tiny grid."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from helpers.evaluation import Letters

from ediffi.core.errors import UserError
from ediffi.evaluate.features import EfficientNetLite0
from ediffi.evaluate.gallery import Subject
from ediffi.model import Cascade, ModelConfig, Sampling, Stage, StageConfig
from ediffi.networks import PRESETS, build_denoiser
from ediffi.pictogram.grid import Grid
from ediffi.pictogram.palette import BACKGROUNDS
from ediffi.pictogram.scene import vocabulary
from studies.colours import background_name
from studies.edges import compare_edges
from studies.first_weights import run
from studies.first_weights_rows import FIRST_WEIGHTS, FixedPrompt, first_weights_prompts
from studies.reference import Reference, fit_judge
from studies.rows import write_rows

NUM = 8
STYLES = ("noto", "emojione")


@pytest.fixture(scope="module")
def prompts(grid: Grid, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("prompts") / "prompts.jsonl"
    write_rows(path, first_weights_prompts(grid, NUM, STYLES))
    return path


def tiny_cascade() -> Cascade:
    stages = tuple(
        StageConfig(
            name=name,
            resolution=resolution,
            network=PRESETS["tiny"][name],
            sigma_data=0.5,
            sampling=Sampling(num_steps=2, sigma_min=0.05, sigma_max=sigma_max),
        )
        for name, resolution, sigma_max in (("base", 64, 80.0), ("sr256", 256, 0.3))
    )

    def random_stage(config: StageConfig) -> Stage:
        torch.manual_seed(0)
        return Stage(config, build_denoiser(config.network, config.sigma_data))

    config = ModelConfig(name="tiny", stages=stages, encoders={}, styles=STYLES)
    return Cascade(config, random_stage, encoders={"t5": Letters()}, hash="0" * 64)


def test_prompts_are_fixed_and_name_thing_and_background(grid: Grid, prompts: Path) -> None:
    rows = FixedPrompt.read(prompts)
    assert rows == first_weights_prompts(grid, NUM, STYLES)
    assert [row.seed for row in rows] == list(range(NUM))
    for row in rows:
        assert f"{row.background} background" in row.prompt
        assert row.background in BACKGROUNDS
        assert (row.hexcode, row.style) in grid.cells


def test_real_pictures_pass_their_own_measures(grid: Grid, prompts: Path) -> None:
    reference = Reference(grid)
    with_edges = 0
    for row in FixedPrompt.read(prompts):
        assert background_name(reference.picture(row, 64)) == row.background
        assert reference.dominant_colours(row.hexcode, row.background)[row.style] is not None
        large = reference.picture(row, 256)
        edges = compare_edges(large, large)
        with_edges += edges["edges"] > 0  # a drawing as light as its background has none
        assert edges["found"] == float(edges["edges"] > 0)
    assert with_edges >= NUM // 2


def test_run_writes_figures_and_sheets_and_goes_on(
    grid: Grid, prompts: Path, tmp_path: Path
) -> None:
    told: list[tuple[str, int, int]] = []
    subject = Subject(
        tiny_cascade(), tiny_cascade, tmp_path, report=lambda *what: told.append(what)
    )
    results = run(subject, prompts, grid)
    written = (tmp_path / "first-weights.json").read_text()
    assert json.loads(written)["protocol"] == results["protocol"]
    assert results["background"]["real"] == 1.0
    assert results["background"]["obeyed"] < 0.6
    concept = results["concept"]
    assert concept["chance_top5"] == 5 / concept["concepts"]
    assert concept["real_64"]["top1"] > concept["outputs"]["top1"]
    assert 0 <= concept["real_unseen_style"]["top5"] <= 1  # of the two styles of the model
    assert results["upscalers"]["pictures"] == NUM
    assert max(map(abs, results["upscalers"]["drift_mean_of_255"])) < 3
    assert (tmp_path / "first-weights-64.webp").stat().st_size > 1000
    assert sum(more for what, more, _ in told if what == "64 px pictures") == NUM

    protocol = results["protocol"]
    assert protocol["dtype"] == "bfloat16" and protocol["torch"] == torch.__version__
    assert protocol["threads"] == torch.get_num_threads()
    folders = sorted((tmp_path / "pictures").iterdir())
    assert [len(list(folder.glob("*.png"))) for folder in folders] == [NUM] * 3
    # run again: nothing is drawn, nothing else comes out
    stamps = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.png")}
    run(replace(subject, cascade=tiny_cascade()), prompts, grid)
    assert (tmp_path / "first-weights.json").read_text() == written
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.png")} == stamps


def test_the_committed_prompts_are_of_the_default_vocabulary() -> None:
    rows = FixedPrompt.read(FIRST_WEIGHTS)
    assert [row.seed for row in rows] == list(range(256))
    assert {row.hexcode for row in rows} <= set(vocabulary())
    assert all(row.background in row.prompt for row in rows)


def test_a_model_of_one_other_style_can_be_measured(grid: Grid, prompts: Path) -> None:
    rows = FixedPrompt.read(prompts)
    reference = Reference(grid, ["emojione", "unknown"])
    assert reference.styles == ("emojione",)
    judge, unseen = fit_judge(reference, [rows[0].hexcode, rows[1].hexcode], EfficientNetLite0())
    assert set(judge.labels) <= {rows[0].hexcode, rows[1].hexcode} and unseen == {}
    assert reference.picture(rows[0], 64).shape == (64, 64, 3)  # in its own style all the same


def test_bad_prompt_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "prompts.jsonl"
    with pytest.raises(UserError, match="cannot read"):
        FixedPrompt.read(path)
    path.write_text('{"prompt": "a fox"}\n')
    with pytest.raises(UserError, match=r"prompts\.jsonl is no list"):
        FixedPrompt.read(path)
