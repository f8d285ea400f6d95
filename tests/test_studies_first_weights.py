"""The whole protocol, on a random tiny model and a tiny grid."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from ediffi.core.errors import UserError
from ediffi.core.types import Tokens
from ediffi.evaluate.colours import background_name
from ediffi.evaluate.edges import compare_edges
from ediffi.evaluate.extractor import EfficientNetLite0
from ediffi.evaluate.pictures import drawn
from ediffi.evaluate.rows import write_rows
from ediffi.model import Cascade, ModelConfig, Sampling, Stage, StageConfig
from ediffi.networks import PRESETS, build_denoiser
from ediffi.pictogram.grid import Grid
from ediffi.pictogram.palette import BACKGROUNDS
from studies.first_weights import run
from studies.prompts import FIRST_WEIGHTS, first_weights_prompts, read_prompts
from studies.reference import Reference, fit_judge

NUM = 8
STYLES = ("noto", "emojione")


class Letters:
    """A text encoder: one token a letter, its code in binary."""

    def encode(self, texts: Sequence[str]) -> Tokens:
        codes = torch.zeros(len(texts), 96, dtype=torch.long)
        for row, text in enumerate(texts):
            codes[row, : len(text)] = torch.tensor([ord(letter) for letter in text])[:96]
        states = ((codes[..., None] >> torch.arange(32)) & 1).float()
        return Tokens(states, codes > 0, states.mean(1))


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
    rows = read_prompts(prompts)
    assert rows == first_weights_prompts(grid, NUM, STYLES)
    assert [row.seed for row in rows] == list(range(NUM))
    for row in rows:
        assert f"{row.background} background" in row.prompt
        assert row.background in BACKGROUNDS
        assert (row.hexcode, row.style) in grid.cells


def test_real_pictures_pass_their_own_measures(grid: Grid, prompts: Path) -> None:
    reference = Reference(grid)
    with_edges = 0
    for row in read_prompts(prompts):
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
    results = run(
        tiny_cascade(), prompts, tmp_path, grid=grid, report=lambda *what: told.append(what)
    )
    written = json.loads((tmp_path / "first-weights.json").read_text())
    assert written["protocol"]["prompts_sha256"] == results["protocol"]["prompts_sha256"]
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
    folder = tmp_path / f"pictures-000000000000-{protocol['prompts_sha256'][:12]}"
    for kind in ("base", "whole", "upscaled"):
        assert len(list((folder / kind).glob("*.png"))) == NUM


def test_pictures_that_are_there_are_not_drawn_again(tmp_path: Path) -> None:
    asked: list[list[int]] = []

    def draw(numbers: list[int]) -> torch.Tensor:
        asked.append(numbers)
        return torch.stack([torch.full((3, 4, 4), n / 10) for n in numbers])

    first = drawn(tmp_path, 5, draw, batch=2, on_done=lambda more: None)
    (tmp_path / "0003.png").unlink()
    again = drawn(tmp_path, 5, draw, batch=2, on_done=lambda more: None)
    assert asked == [[0, 1], [2, 3], [4], [3]]
    assert all((a == b).all() for a, b in zip(first, again, strict=True))


def test_the_shipped_prompts_are_those_of_the_grid() -> None:
    assert len(read_prompts(FIRST_WEIGHTS)) == 256
    try:
        grid = Grid.load()
    except UserError:
        pytest.skip("the pictogram grid is not built")
    assert read_prompts(FIRST_WEIGHTS) == first_weights_prompts(grid)


def test_a_model_of_one_other_style_can_be_measured(grid: Grid, prompts: Path) -> None:
    rows = read_prompts(prompts)
    reference = Reference(grid, ["emojione", "unknown"])
    assert reference.styles == ("emojione",)
    judge, unseen = fit_judge(reference, [rows[0].hexcode, rows[1].hexcode], EfficientNetLite0())
    assert set(judge.labels) <= {rows[0].hexcode, rows[1].hexcode} and unseen == {}
    assert reference.picture(rows[0], 64).shape == (64, 64, 3)  # in its own style all the same


def test_bad_prompt_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "prompts.jsonl"
    with pytest.raises(UserError, match="cannot read"):
        read_prompts(path)
    path.write_text('{"prompt": "a fox"}\n')
    with pytest.raises(UserError, match=r"prompts\.jsonl is no list"):
        read_prompts(path)
