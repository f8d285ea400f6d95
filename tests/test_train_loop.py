"""Training: exact resume, damage, bad numbers, disks that are full; and that it learns."""

from __future__ import annotations

import errno
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from safetensors.torch import load_file
from tiny_grid import STYLES

from ediffi.core.errors import UserError
from ediffi.encoders import CachedText, EncoderSpec, TextEncoder
from ediffi.model import Cascade
from ediffi.networks import UNet
from ediffi.pictogram.composer import Composer, SceneConfig
from ediffi.pictogram.grid import Grid
from ediffi.pictogram.scenes import Scenes
from ediffi.train import checkpoint as checkpoints
from ediffi.train.config import TrainConfig, preset_config
from ediffi.train.examples import Examples, measure_sigma_data
from ediffi.train.export import export_stage
from ediffi.train.loop import train
from ediffi.train.state import TrainState

Encoders = dict[str, CachedText]
SCENES = SceneConfig(styles=STYLES[:2], seed=3)


@pytest.fixture(scope="module")
def scenes(grid: Grid) -> Scenes:
    return Scenes(Composer(grid, SCENES))


@pytest.fixture(scope="module")
def text(bert_folder: Path) -> dict[str, CachedText]:
    spec = EncoderSpec(kind="text", source=str(bert_folder))
    return {"t5": CachedText(TextEncoder.load(spec))}


def config(stage: str = "base", **changes: Any) -> TrainConfig:
    small = {"num_images": 48, "num_scenes": 16, "checkpoint_images": 16, "sample_images": 32}
    small["sketch_images"] = 8 if stage == "base" else 0
    start = preset_config("tiny", stage, t5_width=32)
    return TrainConfig.model_validate(
        start.model_dump() | {"scenes": SCENES, "log_images": 16, "batch_size": 4} | small | changes
    )


def final(run: Path) -> dict[str, torch.Tensor]:
    return load_file(checkpoints.found(run)[0].with_suffix(".safetensors"))


@pytest.mark.parametrize("stage", ["base", "sr256", "sr1024"])
def test_stopped_anywhere_the_weights_are_the_same(
    stage: str, scenes: Scenes, text: Encoders, bert_folder: Path, tmp_path: Path
) -> None:
    list(train(config(stage), tmp_path / "whole", scenes, text))
    # the second part with caches that have seen nothing
    spec = EncoderSpec(kind="text", source=str(bert_folder))
    fresh = {"t5": CachedText(TextEncoder.load(spec))}
    other = Scenes(Composer(scenes.composer.grid, SCENES))
    resumed = tmp_path / "resumed"
    for tick in train(config(stage), resumed, scenes, text):
        if tick.state.images == 24:
            break  # between two checkpoints: back to 16
    list(train(config(stage), resumed, other, fresh))
    whole, again = final(tmp_path / "whole"), final(resumed)
    assert whole.keys() == again.keys()
    assert all(torch.equal(whole[name], again[name]) for name in whole)
    rows = [json.loads(line) for line in (resumed / "log.jsonl").read_text().splitlines()]
    assert rows[-1]["images"] == 48 and len(rows[-1]["loss_by_band"]) == 5
    assert list((resumed / "samples").glob("*.png"))


SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_train_loop import SCENES, config
from ediffi.encoders import CachedText, EncoderSpec, TextEncoder
from ediffi.data.collection import Scenes
from ediffi.pictogram.composer import Composer
from ediffi.pictogram.grid import Grid
from ediffi.train.loop import train
text = CachedText(TextEncoder.load(EncoderSpec(kind="text", source={bert!r})))
scenes = Scenes(Composer(Grid.load(Path({grid!r})), SCENES))
settings = config(num_images=400, checkpoint_images=20, sample_images=10**9)
for tick in train(settings, Path({run!r}), scenes, {{"t5": text}}):
    print(tick.state.images, flush=True)
"""


@pytest.mark.slow
def test_killed_at_ten_random_points(grid: Grid, bert_folder: Path, tmp_path: Path) -> None:
    """kill -9 at ten random moments; the weights equal those of a run nobody touched."""

    def command(run: Path) -> list[str]:
        names = {"tests": str(Path(__file__).parent), "bert": str(bert_folder), "run": str(run)}
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
    whole, killed = final(tmp_path / "whole"), final(tmp_path / "killed")
    assert all(torch.equal(whole[name], killed[name]) for name in whole)


def test_it_learns(scenes: Scenes, text: Encoders, tmp_path: Path) -> None:
    settings = config(num_images=600, learning_rate=3e-3, cooldown=0.0, num_scenes=8)
    losses = [t.row["loss"] for t in train(settings, tmp_path, scenes, text) if t.row]
    assert losses[-1] < 0.7 * losses[0]


def test_the_sketch_learns_alone_and_first(scenes: Scenes, text: Encoders, tmp_path: Path) -> None:
    settings = config(num_images=16, log_images=8)
    ticks = train(settings, tmp_path, scenes, text)
    state = next(ticks).state
    before = {name: p.detach().clone() for name, p in state.parameters.items()}
    rows = [next(ticks).row for _ in range(2)]
    changed = {n for n, p in state.parameters.items() if not torch.equal(p, before[n])}
    assert changed and all(name.startswith(("sketch.", "conditioner.")) for name in changed)
    rows += [tick.row for tick in ticks]
    alone, together = (row for row in rows if row)
    assert alone["loss"] is None and alone["sketch_loss"] > 0 and together["loss"] > 0
    assert any(not torch.equal(state.parameters[n], before[n]) for n in before if n not in changed)
    stays = dict(cast(UNet, state.denoiser.network).before_noise())
    assert changed <= stays.keys()
    retouch = {n for n in before if n.startswith("retouch.")}
    assert retouch and not retouch & changed and together["sketch_loss"] > 0
    change = "retouch.change.weight"
    assert not torch.equal(state.parameters[change], before[change])
    alike = {n for n, p in state.parameters.items() if torch.equal(p, state.average[n])}
    assert stays.keys() <= alike and "enter.weight" not in alike


def test_interrupt_finishes_the_step_and_saves(
    scenes: Scenes, text: Encoders, tmp_path: Path
) -> None:
    said: list[str] = []
    images = 0
    for tick in train(config(), tmp_path, scenes, text, report=said.append):
        images = tick.state.images
        if images == 8:
            os.kill(os.getpid(), signal.SIGINT)
    assert images == 8 and "goes on from there" in said[-1]
    assert checkpoints.found(tmp_path)[0].stem == "0000000008"


def test_another_config_is_refused(scenes: Scenes, text: Encoders, tmp_path: Path) -> None:
    list(train(config(), tmp_path, scenes, text))
    with pytest.raises(UserError, match=r"learning_rate: 0.001 -> 0.5"):
        list(train(config(learning_rate=0.5), tmp_path, scenes, text))
    # more images are not another config
    *_, last = train(config(num_images=64), tmp_path, scenes, text)
    assert last.state.images == 64


def test_damaged_checkpoint_gives_way_to_the_one_before(
    scenes: Scenes, text: Encoders, tmp_path: Path
) -> None:
    list(train(config(), tmp_path, scenes, text))
    newest, older = checkpoints.found(tmp_path)
    path = newest.with_suffix(".safetensors")
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(data)
    said: list[str] = []
    loaded = checkpoints.load_checkpoint(tmp_path, said.append)
    assert loaded is not None and loaded[1]["images"] == int(older.stem)
    assert str(path) in said[0] and "damaged" in said[0]
    older.with_suffix(".safetensors").write_bytes(b"short")
    with pytest.raises(UserError, match="every checkpoint"):
        checkpoints.load_checkpoint(tmp_path, said.append)


def test_full_disk_keeps_the_last_checkpoint(
    scenes: Scenes, text: Encoders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    list(train(config(num_images=16, checkpoint_images=16), tmp_path, scenes, text))
    before = {p.name: p.read_bytes() for p in tmp_path.glob("[0-9]*")}

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(
        UserError, match=r"No space left on device.*last good checkpoint is 0000000016"
    ):
        list(train(config(), tmp_path, scenes, text))
    assert {p.name: p.read_bytes() for p in tmp_path.glob("[0-9]*")} == before
    assert not list(tmp_path.glob(".*.part"))


def test_folder_that_cannot_be_written(scenes: Scenes, text: Encoders, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot write to the run's folder .*file/run"):
        next(train(config(), tmp_path / "file" / "run", scenes, text))


def test_not_a_number_stops_with_the_last_checkpoint_kept(
    scenes: Scenes, text: Encoders, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=r"broke down after 16 images.*\(16 images\) is kept"):
        for tick in train(config(), tmp_path, scenes, text):
            if tick.state.images == 16:
                next(iter(tick.state.parameters.values())).data[...] = float("nan")
    assert checkpoints.found(tmp_path)[0].stem == "0000000016"


def test_old_weights_load_into_a_network_with_more_modules(
    scenes: Scenes, text: Encoders, tmp_path: Path
) -> None:
    old = TrainState(config())
    weights = {n: p.detach().clone() for n, p in old.parameters.items() if "conditioner" not in n}
    first = next(iter(train(config(seed=9), tmp_path, scenes, text, initial=weights)))
    assert all(torch.equal(first.state.parameters[n], w) for n, w in weights.items())
    assert all(torch.equal(first.state.average[n], w) for n, w in weights.items())


def test_weights_of_another_network_are_refused() -> None:
    state = TrainState(config())
    with pytest.raises(UserError, match="another network"):
        state.start_from({"enter.weight": torch.zeros(1)})
    with pytest.raises(UserError, match="not one name fits"):
        state.start_from({"something": torch.zeros(1)})


def test_commands(grid: Grid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`ediffi train` of all three stages into a model that `ediffi generate` draws with."""
    from ediffi.cli.main import main

    (tmp_path / "pictogram").symlink_to(grid.path)
    monkeypatch.setenv("EDIFFI_CACHE", str(tmp_path))
    model, picture = tmp_path / "model", tmp_path / "fox.png"
    words = ["--vocabulary", "all", "--styles", "noto,emojione"]
    for stage in ("base", "sr256", "sr1024"):
        start = ["--from", str(model), "--from-stage", "sr256"] if stage == "sr1024" else []
        done = ["train", stage, "--preset", "tiny", "--num-images", "8", "--model", str(model)]
        assert main([*done, *words, *start]) == 0
    assert (tmp_path / "runs" / "tiny-base" / "config.json").is_file()
    assert main(["generate", "a fox", "--model", str(model), "-o", str(picture)]) == 0
    assert picture.is_file()
    seen = [s.images_seen for s in Cascade.from_pretrained(model).config.stages]
    assert seen == [8, 8, 16]
    refused = ["train", "base", "--preset", "tiny", *words, "--seed", "1"]
    assert main(refused) == 2  # another config in the same folder
    assert main([*refused, "--run", str(tmp_path / "other"), "--vocabulary", "nowhere.txt"]) == 2


def test_example_is_a_function_of_its_index(scenes: Scenes, text: Encoders) -> None:
    one = Examples(config("sr256", batch_size=4), scenes, text).batch(8)
    two = Examples(config("sr256", batch_size=2), scenes, text).batch(10)
    for name in ("clean", "noise", "sigma"):
        assert torch.equal(getattr(one, name)[2:], getattr(two, name))
    assert one.cond.low_res is not None and two.cond.low_res is not None
    assert torch.equal(one.cond.low_res[2:], two.cond.low_res)
    assert torch.equal(one.cond.prompt.keep["t5"][2:], two.cond.prompt.keep["t5"])


def test_dropout_rate(scenes: Scenes, text: Encoders) -> None:
    examples = Examples(config(batch_size=400, dropout={"t5": 0.25}), scenes, text)
    kept = examples.batch(0).cond.prompt.keep
    assert 0.68 < float(kept["t5"].float().mean()) < 0.82
    assert not kept["clip_text"].any() and not kept["clip_image"].any()


def test_measured_sigma_data(scenes: Scenes, text: Encoders) -> None:
    examples = Examples(config(), scenes, text)
    pictures = torch.stack([examples.picture(i)[0] for i in range(16)]).float() / 127.5 - 1
    assert measure_sigma_data(examples, 16) == pytest.approx(float(pictures.std()), rel=0.05)


def test_schedule() -> None:
    settings = config(num_images=1000, warmup_images=100, cooldown=0.5, learning_rate=1.0)
    rates = [settings.learning_rate_at(i) for i in (0, 96, 300, 500, 750, 1000)]
    assert rates == pytest.approx([0.04, 1.0, 1.0, 1.0, 0.5, 0.0])


def test_export_makes_a_model_that_draws(
    scenes: Scenes, text: Encoders, bert_folder: Path, tmp_path: Path
) -> None:
    spec = EncoderSpec(kind="text", source=str(bert_folder))
    folder = tmp_path / "model"
    for stage in ("base", "sr256", "sr1024"):
        *_, last = train(config(stage, num_images=8), tmp_path / stage, scenes, text)
        export_stage(last.state, scenes, {"t5": spec}, folder)
    cascade = Cascade.from_pretrained(folder)
    assert [s.name for s in cascade.config.stages] == ["base", "sr256", "sr1024"]
    assert [s.images_seen for s in cascade.config.stages] == [8, 8, 8]
    assert cascade.config.vocabulary and cascade.config.data[0].licence == "MIT"
    assert cascade.generate("a fox", seeds=1, stop_at=256).shape == (1, 3, 256, 256)
