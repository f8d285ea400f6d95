"""`ediffi train`: recipes shown and changed, stages trained into a model, what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from ediffi.cli.main import main
from ediffi.model import Cascade
from ediffi.networks import STAGES
from ediffi.pictogram.grid import Grid
from ediffi.train.config import Recipe
from ediffi.train.recipes import RECIPES, recipe


def shown(capsys: pytest.CaptureFixture[str], *options: str) -> Recipe:
    assert main(["train", *options, "--show"]) == 0
    return Recipe.model_validate_json(capsys.readouterr().out)


@pytest.mark.parametrize("preset", RECIPES)
@pytest.mark.parametrize("stage", STAGES)
def test_show_prints_the_whole_recipe(
    preset: str, stage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shown(capsys, stage, "--preset", preset) == recipe(preset, stage)


def test_flags_change_fields_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    fields = ["--set", "optimiser.learning_rate=5e-4", "--set", "noise.interval=[0.5, 1]"]
    fields += ["--set", "network.grid=null", "--num-images", "99", "--seed", "3"]
    expected = recipe("pictogram", "base").changed(
        {
            "optimiser.learning_rate": 5e-4,
            "noise.interval": (0.5, 1.0),
            "network.grid": None,
            "schedule.num_images": 99,
            "seed": 3,
            "data.scenes.seed": 3,
        }
    )
    assert shown(capsys, "base", *fields) == expected
    scenes = ["--styles", "noto,twemoji", "--vocabulary", "all"]
    data = shown(capsys, "base", *scenes).data.scenes
    assert data is not None and data.styles == ("noto", "twemoji") and data.concepts is None


WRONG = {
    "speed=3": "recipe field speed:",
    "optimiser.speed=3": "recipe field optimiser.speed:",
    "optimizer.learning_rate=3": "no such field in the recipe: 'optimizer'",
    "optimiser.learning_rate.top=3": "no such field in the recipe",
    "optimiser.learning_rate=fast": "recipe field optimiser.learning_rate:",
    "optimiser.learning_rate=-1": "recipe field optimiser.learning_rate:",
    "schedule.num_images=0": "recipe field schedule.num_images:",
    "noise.interval=[0.5, 0.2]": "recipe field noise.interval:",
    "data.scenes=3": "recipe field data.scenes:",
    "sampling.sampler=euler": "unknown sampler 'euler'",
    "schedule": "write it as schedule.batch_size=8",
}


@pytest.mark.parametrize("change", WRONG)
def test_a_wrong_name_or_value_is_one_clear_line(
    change: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "base", "--show", "--set", change]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    assert WRONG[change] in error


def test_all_stages_into_a_model_that_draws(
    grid: Grid,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "pictogram").symlink_to(grid.path)
    monkeypatch.setenv("EDIFFI_CACHE", str(tmp_path))
    model, picture = tmp_path / "model", tmp_path / "fox.png"
    words = ["--vocabulary", "all", "--styles", "noto,emojione", "--device", "cpu"]
    words += ["--set", "data.num_pictures=8"]
    for stage in STAGES:
        start = ["--from", str(model), "--from-stage", "sr256"] if stage == "sr1024" else []
        done = ["train", stage, "--preset", "tiny", "--num-images", "8", "--model", str(model)]
        assert main([*done, *words, *start]) == 0
        said = capsys.readouterr().out
        # weights to start from bring their prior with them
        assert ("first the prior" in said) == (stage == "sr256")
    assert (tmp_path / "runs" / "tiny-base" / "config.json").is_file()
    assert list((tmp_path / "examples").glob("*/block-000000.safetensors"))
    assert main(["generate", "a fox", "--model", str(model), "-o", str(picture)]) == 0
    assert picture.is_file()
    seen = [s.images_seen for s in Cascade.from_pretrained(model).config.stages]
    assert seen == [8, 8, 16]
    capsys.readouterr()
    refused = ["train", "base", "--preset", "tiny", *words, "--seed", "1"]
    assert main(refused) == 2 and "another config" in capsys.readouterr().err
    assert main([*refused, "--run", str(tmp_path / "other"), "--vocabulary", "nowhere.txt"]) == 2
    assert main(["train", "base", "--preset", "tiny", *words, "--model", str(picture)]) == 2
    assert "is a file" in capsys.readouterr().err
