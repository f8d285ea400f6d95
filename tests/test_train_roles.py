"""Training with CLIP beside T5: dropout by role, reference pictures, exact resume, export."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.training import SCENES, config, equal, final, run, scenes_of
from PIL import Image
from tiny_grid import STYLES

from ediffi.cli.encoders import dropout_of, training_encoders
from ediffi.cli.main import main
from ediffi.core.errors import UserError
from ediffi.encoders.cache import CachedText
from ediffi.encoders.spec import weights_hash
from ediffi.model import Cascade, ModelFolder
from ediffi.pictogram.grid import Grid
from ediffi.pictogram.scenes import Scenes
from ediffi.train.config import PAPER_DROPOUT, Recipe
from ediffi.train.examples import Examples
from ediffi.train.references import reference_of

ALL = ("t5", "clip_text", "clip_image")


@pytest.fixture(scope="module")
def scenes(grid: Grid) -> Scenes:
    return scenes_of(grid)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kept")


def encoders(clip: Path) -> dict[str, Any]:
    return training_encoders(None, clip, None, None)[0]


def all_roles(stage: str = "base", **changes: Any) -> Recipe:
    start = {
        "network.roles": {"t5": 384, "clip_text": 32, "clip_image": 32},
        "data.dropout": PAPER_DROPOUT,
        "data.other_reference": 0.5,
    }
    return config(stage, start | changes)


def test_each_role_is_dropped_by_itself_at_the_papers_rates(
    scenes: Scenes, even_clip_folder: Path, kept: Path
) -> None:
    settings = all_roles(**{"schedule.batch_size": 800})
    examples = Examples(settings, scenes, encoders(even_clip_folder), folder=kept)
    keep = examples.batch(0).cond.prompt.keep
    for role, rate in PAPER_DROPOUT.items():
        assert float((~keep[role]).float().mean()) == pytest.approx(rate, abs=0.04)
    neither = ~keep["t5"] & ~keep["clip_text"]
    assert float(neither.float().mean()) == pytest.approx(0.25 * 0.2, abs=0.03)


def test_an_example_is_a_function_of_its_index(
    scenes: Scenes, even_clip_folder: Path, kept: Path
) -> None:
    rates = {"data.dropout": dict.fromkeys(ALL, 0.2)}
    eight, two = (all_roles(**rates, **{"schedule.batch_size": n}) for n in (8, 2))
    one = Examples(eight, scenes, encoders(even_clip_folder), folder=kept).batch(16)
    other = Examples(two, scenes, encoders(even_clip_folder), folder=kept).batch(20)
    for role in ALL:
        keep = one.cond.prompt.keep[role][4:6]
        assert torch.equal(keep, other.cond.prompt.keep[role])
        a, b = one.cond.prompt.tokens[role], other.cond.prompt.tokens[role]
        assert torch.equal(a.pooled[4:6][keep], b.pooled[keep])


def test_a_reference_beside_text_is_another_picture_of_the_style(
    grid: Grid, even_clip_folder: Path, tmp_path: Path
) -> None:
    every = SCENES.model_copy(update={"styles": STYLES})
    settings = all_roles(**{"data.scenes": every.model_dump(), "data.num_pictures": 120})
    scenes = scenes_of(grid, every)
    kept = Examples(settings, scenes, encoders(even_clip_folder), folder=tmp_path).kept
    known = {kept[n].reference[1].numpy().tobytes(): n for n in range(120)}  # type: ignore[index]

    def shown(other: float, *, seen: bool = True, text: bool = True) -> list[int]:
        found = [reference_of(kept, n, 7 * n, seen=seen, text=text, other=other) for n in range(30)]
        return [known[halves[1].numpy().tobytes()] for halves in found if halves is not None]

    numbers = [known[kept[n].reference[1].numpy().tobytes()] for n in range(30)]  # type: ignore[index]
    assert shown(0.0) == numbers
    others = shown(1.0)
    changed = [(a, b) for a, b in zip(others, numbers, strict=True) if a != b]
    assert len(changed) > 25  # now and then a style has no other picture
    assert all(scenes.style(a) == scenes.style(b) for a, b in changed)
    assert sum(scenes.alone(a) for a, _ in changed) > 0.8 * len(changed)
    assert len(set(others)) > 12  # not always the first of its style
    assert 5 < sum(a != b for a, b in zip(shown(0.5), numbers, strict=True)) < 25
    # no text to take the content from, or a picture that is not shown: its own
    assert shown(1.0, text=False) == shown(1.0, seen=False) == numbers


def test_embeddings_are_of_the_picture(scenes: Scenes, even_clip_folder: Path, kept: Path) -> None:
    clip = encoders(even_clip_folder)
    examples = Examples(all_roles(), scenes, clip, folder=kept)
    halves = examples.kept[5].reference
    assert halves is not None and halves[0].shape == (1, 32)
    direct = clip["clip_image"].encode([Image.fromarray(scenes.pixels(5, 28))])
    torch.testing.assert_close(halves[1].float(), direct.pooled[0], atol=2e-3, rtol=2e-3)


@pytest.mark.parametrize("stage", ["base", "sr1024"])
def test_stopped_anywhere_the_weights_are_the_same(
    stage: str, grid: Grid, scenes: Scenes, even_clip_folder: Path, tmp_path: Path
) -> None:
    settings = all_roles(
        stage,
        **{
            "schedule.num_images": 24,
            "schedule.sample_images": 10**9,
            "data.dropout": {"t5": 0.2, "clip_text": 0.2, "clip_image": 0.3},
        },
    )
    run(settings, tmp_path / "whole", scenes, encoders(even_clip_folder))
    run(settings, tmp_path / "resumed", scenes, encoders(even_clip_folder), stop=20)
    run(settings, tmp_path / "resumed", scenes_of(grid), encoders(even_clip_folder))
    whole, again = final(tmp_path / "whole"), final(tmp_path / "resumed")
    assert equal(whole, again)
    moved = [n for n in whole if n.startswith("optimizer.exp_avg.") and "pool.clip_image" in n]
    assert moved and all(whole[name].any() for name in moved)


def test_rates() -> None:
    assert dropout_of(["t5"], None) == {"t5": 0.1}  # as before there was a CLIP
    assert dropout_of(ALL, None) == PAPER_DROPOUT
    assert dropout_of(ALL, "clip_image=0.5, t5=0")["clip_image"] == 0.5
    for wrong in ("clip=0.5", "t5=often", "t5=2", "t5"):
        with pytest.raises(UserError, match="--dropout"):
            dropout_of(ALL, wrong)


def test_texts_as_long_as_clip_reads(even_clip_folder: Path) -> None:
    text: CachedText = encoders(even_clip_folder)["clip_text"]
    with pytest.warns(match="reads the first 77"):
        assert text.encode(["fox " * 90]).states.shape == (1, 77, 32)


def test_commands(
    grid: Grid,
    even_clip_folder: Path,
    clip_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A model of T5 alone gets a CLIP in its base; its upscaler goes on without; and it travels."""
    (tmp_path / "pictogram").symlink_to(grid.path)
    monkeypatch.setenv("EDIFFI_CACHE", str(tmp_path))
    old, new = tmp_path / "old", tmp_path / "new"
    words = ["--vocabulary", "all", "--styles", "noto,emojione", "--preset", "tiny"]
    words += ["--num-images", "8", "--set", "data.num_pictures=8"]
    for stage in ("base", "sr256"):
        assert main(["train", stage, *words, "--model", str(old)]) == 0
    before = Cascade.from_pretrained(old).generate("a fox", seeds=3)
    shutil.copytree(old, new)
    run = ["--run", str(tmp_path / "run"), "--model", str(new), "--from", str(old)]
    assert main(["train", "base", *words, *run, "--clip", str(even_clip_folder)]) == 0
    config = ModelFolder(new).config
    assert config.encoders["clip_text"].source == config.encoders["clip_image"].source == "clip"
    assert {s.name: s.listens for s in config.stages} == {"base": ALL, "sr256": ("t5",)}
    manifest = json.loads((new / "manifest.json").read_text())["files"]
    assert {"clip/model.safetensors", "clip/config.json", "clip/tokenizer.json"} <= set(manifest)
    capsys.readouterr()
    assert main(["info", str(new)]) == 0
    assert "clip_image: clip" in capsys.readouterr().out
    # what it says of T5 alone needs no CLIP, and an old stage draws what it drew
    assert torch.equal(Cascade.from_pretrained(old).generate("a fox", seeds=3), before)
    # the CLIP of --model is taken over without being named, and is moved with the folder
    again = ["--run", str(tmp_path / "run2"), "--model", str(new)]
    assert main(["train", "sr256", *words, *again]) == 0
    moved = new.rename(tmp_path / "moved")
    assert ModelFolder(moved).config.stage("sr256").listens == ALL
    assert Cascade.from_pretrained(moved).generate("a fox", seeds=3).shape == (1, 3, 256, 256)
    saved = tmp_path / "saved"
    Cascade.from_pretrained(moved).save_pretrained(saved)
    assert ModelFolder(saved).hash == ModelFolder(moved).hash
    # damage of any of its files is seen
    (saved / "clip" / "tokenizer_config.json").write_text("{}")
    capsys.readouterr()
    assert main(["generate", "a fox", "-m", str(saved), "-o", str(tmp_path / "fox.png")]) == 2
    assert "clip/tokenizer_config.json is damaged" in capsys.readouterr().err
    # another CLIP than the model's: a new model can start from its weights, and it alone hears it
    other = shutil.copytree(even_clip_folder, tmp_path / "other")
    _change_weights(other)
    run = ["--run", str(tmp_path / "run4"), "--from", str(moved), "--model", str(tmp_path / "eyes")]
    assert main(["train", "base", *words, *run, "--clip", str(other)]) == 0
    seeing = ModelFolder(tmp_path / "eyes").config
    assert seeing.encoders["clip_image"].sha256 == weights_hash(other)
    assert [stage.name for stage in seeing.stages] == ["base"]
    run = ["--run", str(tmp_path / "run3"), "--model", str(moved)]
    assert main(["train", "base", *words, *run, "--clip", str(other)]) == 2
    assert main(["train", "base", *words, *run, "--clip", str(tmp_path)]) == 2
    assert main(["train", "base", *words, *run, "--clip", str(clip_folder)]) == 2
    assert "they must agree" in capsys.readouterr().err


def _change_weights(clip: Path) -> None:
    from safetensors.torch import load_file, save_file

    path = clip / "model.safetensors"
    tensors = {name: tensor.clone() for name, tensor in load_file(path).items()}
    tensors["visual_projection.weight"] += 1
    save_file(tensors, path, {"format": "pt"})
