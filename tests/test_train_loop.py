"""Training: exact resume wherever it stops, one run after another, bad numbers; it learns."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.training import bert_text, config, equal, final, run, scenes_of
from torch import Tensor

from ediffi.core.errors import UserError
from ediffi.pictogram.grid import Grid
from ediffi.pictogram.scenes import Scenes
from ediffi.train.checkpoint import found
from ediffi.train.examples import Examples
from ediffi.train.loop import train
from ediffi.train.recipes import prior_recipe
from ediffi.train.state import stage_state

ROOT = Path(__file__).parent


@pytest.fixture(scope="module")
def scenes(grid: Grid) -> Scenes:
    return scenes_of(grid)


@pytest.fixture(scope="module")
def text(bert_folder: Path) -> dict[str, Any]:
    return bert_text(bert_folder)


@pytest.mark.parametrize("masks", [0.0, 0.5])
def test_a_base_stopped_anywhere_has_the_same_weights(
    masks: float, grid: Grid, scenes: Scenes, text: Any, bert_folder: Path, tmp_path: Path
) -> None:
    settings = config("base", {"data.shown_masks": masks})
    run(settings, tmp_path / "whole", scenes, text)
    resumed = tmp_path / "resumed"
    run(settings, resumed, scenes, text, stop=24)  # between two checkpoints: back to 16
    run(settings, resumed, scenes_of(grid), bert_text(bert_folder))
    assert equal(final(tmp_path / "whole"), final(resumed))
    rows = [json.loads(line) for line in (resumed / "log.jsonl").read_text().splitlines()]
    assert [row["images"] for row in rows] == [16, 32, 48]
    assert all(len(row["loss_by_band"]) == 5 for row in rows)
    assert [path.stem for path in (resumed / "samples").glob("*.png")] == ["0000000032"]


@pytest.mark.parametrize("stage", ["sr256", "sr1024"])
def test_an_upscaler_is_two_runs_each_exact(
    stage: str, grid: Grid, scenes: Scenes, text: Any, bert_folder: Path, tmp_path: Path
) -> None:
    denoiser = config(stage, {"schedule.num_images": 24, "schedule.sample_images": 24})
    prior = prior_recipe(denoiser.changed({"schedule.num_images": 60}))
    assert prior is not None and prior.schedule.num_images == 24
    ends: list[dict[str, Tensor]] = []
    for folder, stop in ((tmp_path / "whole", None), (tmp_path / "halves", 20)):
        for turn in (stop, None):
            first = run(
                prior, folder / "prior", scenes_of(grid), text, stop=turn, kept=tmp_path / "kept"
            )
        weights = first.averaged()
        for turn in (stop, None):
            fresh = bert_text(bert_folder)
            last = run(denoiser, folder, scenes, fresh, stop=turn, prior=weights, kept=folder / "k")
        ends += [final(folder)]
        assert equal(last.model.prior.state_dict(), weights)  # type: ignore[union-attr, arg-type]
        learns = [name for name in ends[-1] if name.startswith("optimizer.")]
        assert learns and not any(".prior." in name for name in learns)
    assert equal(ends[0], ends[1])
    assert list((tmp_path / "whole" / "samples").glob("*.png"))


SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from helpers.training import bert_text, config, scenes_of
from ediffi.pictogram.grid import Grid
from ediffi.train.examples import Examples
from ediffi.train.loop import train
from ediffi.train.state import stage_state
settings = config(changes={{
    "schedule.num_images": 400, "schedule.checkpoint_images": 20, "schedule.sample_images": 10**9
}})
run = Path({run!r})
scenes, text = scenes_of(Grid.load(Path({grid!r}))), bert_text(Path({bert!r}))
examples = Examples(settings, scenes, text, folder=run / "examples", workers=1)
for tick in train(stage_state(settings), run, examples):
    print(tick.state.images, flush=True)
"""


@pytest.mark.slow
def test_killed_at_ten_random_points(grid: Grid, bert_folder: Path, tmp_path: Path) -> None:
    """kill -9 at ten random moments; the weights equal those of a run nobody touched."""

    def command(folder: Path) -> list[str]:
        names = {"tests": str(ROOT), "bert": str(bert_folder), "run": str(folder)}
        return [sys.executable, "-c", SCRIPT.format(**names, grid=str(grid.path))]

    subprocess.run(command(tmp_path / "whole"), check=True, stdout=subprocess.DEVNULL)
    rng = random.Random(0)
    for _ in range(10):
        process = subprocess.Popen(
            command(tmp_path / "killed"), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert process.stdout is not None
        process.stdout.readline()  # it has begun
        time.sleep(rng.uniform(0, 1.5))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    subprocess.run(command(tmp_path / "killed"), check=True, stdout=subprocess.DEVNULL)
    assert equal(final(tmp_path / "whole"), final(tmp_path / "killed"))


def test_ctrl_c_reaches_the_workers_too_and_loses_nothing(
    grid: Grid, bert_folder: Path, tmp_path: Path
) -> None:
    """A terminal's Ctrl-C goes to every process of the run."""
    names = {"tests": str(ROOT), "bert": str(bert_folder), "run": str(tmp_path / "run")}
    script = SCRIPT.format(**names, grid=str(grid.path))
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line == "8\n":
            break
    os.killpg(process.pid, signal.SIGINT)
    seen = [8, *(int(line) for line in process.stdout.read().splitlines() if line.isdigit())]
    assert process.wait() == 0
    assert seen[-1] < 400 and found(tmp_path / "run")[0].stem == f"{seen[-1]:010d}"


@pytest.mark.parametrize("part", ["denoiser", "prior"])
def test_it_learns(part: str, scenes: Scenes, text: Any, tmp_path: Path) -> None:
    settings = config(
        "base" if part == "denoiser" else "sr256",
        {
            "part": part,
            "optimiser.learning_rate": 3e-3,
            "data.num_pictures": 8,
            "schedule.num_images": 400 if part == "denoiser" else 200,
            "schedule.cooldown": 0.0,
            "schedule.sample_images": 10**9,
        },
    )
    run(settings, tmp_path, scenes, text)
    losses = [json.loads(x)["loss"] for x in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert losses[-1] < (0.75 if part == "denoiser" else 0.9) * losses[0]


def test_interrupt_finishes_the_step_and_saves(scenes: Scenes, text: Any, tmp_path: Path) -> None:
    said: list[str] = []
    images = 0
    examples = Examples(config(), scenes, text, folder=tmp_path / "kept")
    for tick in train(stage_state(config()), tmp_path, examples, report=said.append):
        images = tick.state.images
        if images == 8:
            os.kill(os.getpid(), signal.SIGINT)
    assert images == 8 and "goes on from there" in said[-1]
    assert found(tmp_path)[0].stem == "0000000008"


def test_another_recipe_is_refused(scenes: Scenes, text: Any, tmp_path: Path) -> None:
    run(config(), tmp_path, scenes, text)
    with pytest.raises(UserError, match=r"learning_rate: 0.001 -> 0.5"):
        run(config(changes={"optimiser.learning_rate": 0.5}), tmp_path, scenes, text)
    # more images are not another recipe
    longer = config(changes={"schedule.num_images": 64})
    assert run(longer, tmp_path, scenes, text).images == 64


def test_not_a_number_stops_with_the_last_checkpoint_kept(
    scenes: Scenes, text: Any, tmp_path: Path
) -> None:
    state = stage_state(config())
    examples = Examples(config(), scenes, text, folder=tmp_path / "kept")
    with pytest.raises(UserError, match=r"broke down after 16 images.*\(16 images\) is kept"):
        for tick in train(state, tmp_path, examples, report=lambda _: None):
            if tick.state.images == 16:
                next(iter(tick.state.parameters.values())).data[...] = float("nan")
    assert found(tmp_path)[0].stem == "0000000016"


def test_a_run_starts_from_given_weights(scenes: Scenes, text: Any, tmp_path: Path) -> None:
    old, said = stage_state(config()), list[str]()
    weights = {n: t for n, t in old.model.state_dict().items() if "conditioner" not in n}
    settings = config(changes={"seed": 9})
    examples = Examples(settings, scenes, text, folder=tmp_path / "kept")
    fresh = stage_state(settings, initial=weights, report=said.append)
    state = next(iter(train(fresh, tmp_path, examples, report=said.append))).state
    assert all(torch.equal(state.model.state_dict()[name], w) for name, w in weights.items())
    assert "tensors are new, 0 were not used" in said[0]


def test_batches_made_ahead_are_the_batches(scenes: Scenes, text: Any, tmp_path: Path) -> None:
    """The weights of a run are those of steps on batches that are asked for one by one."""
    settings = config(changes={"schedule.num_images": 24})
    last = run(settings, tmp_path, scenes, text)
    by_hand = stage_state(settings)
    examples = Examples(settings, scenes, text, folder=tmp_path / "other")
    for start in range(0, 24, 4):
        by_hand.step(examples.batch(start))
    assert equal(dict(last.named_tensors()), dict(by_hand.named_tensors()))
