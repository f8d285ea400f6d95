"""Training with CLIP beside T5: dropout by role, reference pictures, exact resume, export."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from test_train_loop import SCENES, config, final
from tiny_grid import STYLES

from ediffi.cli.encoders import dropout_of, training_encoders
from ediffi.cli.main import main
from ediffi.core.errors import UserError
from ediffi.encoders.cache import CachedText
from ediffi.encoders.spec import weights_hash
from ediffi.model import Cascade, ModelFolder
from ediffi.pictogram.composer import Composer, SceneConfig
from ediffi.pictogram.grid import Grid
from ediffi.pictogram.scenes import Scenes
from ediffi.train.config import PAPER_DROPOUT, TrainConfig, preset_config
from ediffi.train.examples import Examples
from ediffi.train.loop import train
from ediffi.train.references import References
from ediffi.train.state import TrainState

ALL = ("t5", "clip_text", "clip_image")


@pytest.fixture(scope="module")
def scenes(grid: Grid) -> Scenes:
    return Scenes(Composer(grid, SCENES))


def encoders(clip: Path) -> dict[str, Any]:
    return training_encoders(None, clip, None, None)[0]


def all_roles(stage: str = "base", **changes: Any) -> TrainConfig:
    network = preset_config("tiny", stage, t5_width=384).network
    roles = {"t5": 384, "clip_text": 32, "clip_image": 32}
    changes = {"dropout": PAPER_DROPOUT, "other_reference": 0.5} | changes
    return config(stage, network=network.model_copy(update={"roles": roles}), **changes)


def test_each_role_is_dropped_by_itself_at_the_papers_rates(
    scenes: Scenes, even_clip_folder: Path
) -> None:
    examples = Examples(all_roles(batch_size=800), scenes, encoders(even_clip_folder))
    keep = examples.batch(0).cond.prompt.keep
    for role, rate in PAPER_DROPOUT.items():
        assert float((~keep[role]).float().mean()) == pytest.approx(rate, abs=0.04)
    neither = ~keep["t5"] & ~keep["clip_text"]
    assert float(neither.float().mean()) == pytest.approx(0.25 * 0.2, abs=0.03)


def test_an_example_is_a_function_of_its_index(scenes: Scenes, even_clip_folder: Path) -> None:
    changes: dict[str, Any] = {"dropout": {"t5": 0.2, "clip_text": 0.2, "clip_image": 0.2}}
    one = Examples(all_roles(batch_size=8, **changes), scenes, encoders(even_clip_folder)).batch(16)
    other = Examples(all_roles(batch_size=2, **changes), scenes, encoders(even_clip_folder)).batch(
        20
    )
    for role in ALL:
        keep = one.cond.prompt.keep[role][4:6]
        assert torch.equal(keep, other.cond.prompt.keep[role])
        a, b = one.cond.prompt.tokens[role], other.cond.prompt.tokens[role]
        assert torch.equal(a.pooled[4:6][keep], b.pooled[keep])


def test_a_reference_beside_text_is_another_picture_of_the_style(
    grid: Grid, even_clip_folder: Path
) -> None:
    scenes = Scenes(Composer(grid, SceneConfig(styles=STYLES)))
    clip = encoders(even_clip_folder)["clip_image"]
    numbers, yes = list(range(30)), torch.ones(30, dtype=torch.bool)
    keep = {"t5": yes, "clip_text": ~yes, "clip_image": yes}

    def shown(share: float, keep: dict[str, torch.Tensor]) -> list[int]:
        settings = all_roles(num_scenes=200, other_reference=share)
        return References(settings, scenes, clip).choose(numbers, numbers, keep)

    assert shown(0.0, keep) == numbers
    others = shown(1.0, keep)
    assert all(a != b for a, b in zip(others, numbers, strict=True))
    assert [scenes.style(n) for n in others] == [scenes.style(n) for n in numbers]
    assert all(scenes.alone(n) for n in others) and not all(scenes.alone(n) for n in range(200))
    assert len(set(others)) > 15  # not always the first of its style
    half = shown(0.5, keep)
    assert 5 < sum(a != b for a, b in zip(half, numbers, strict=True)) < 25
    # no text to take the content from: the picture's own
    assert shown(1.0, keep | {"t5": ~yes}) == numbers
    # of a picture that is not shown nothing is computed
    assert len(set(shown(1.0, keep | {"clip_image": torch.arange(30) < 3}))) == 3


def test_embeddings_are_of_the_picture_and_computed_once(
    scenes: Scenes, even_clip_folder: Path
) -> None:
    from PIL import Image

    clip = encoders(even_clip_folder)["clip_image"]
    references = References(all_roles(), scenes, clip)
    tokens = references.encode([3, 5, 3])
    assert tokens.states.shape == (3, 1, 32) and torch.equal(tokens.pooled[0], tokens.pooled[2])
    direct = clip.encode([Image.fromarray(scenes.pixels(5, 28))])
    torch.testing.assert_close(tokens.pooled[1:2], direct.pooled, atol=2e-3, rtol=2e-3)
    references.encoder.processor = None  # it cannot be run any more
    assert torch.equal(references.encode([5]).pooled, tokens.pooled[1:2])


@pytest.mark.parametrize("stage", ["base", "sr1024"])
def test_stopped_anywhere_the_weights_are_the_same(
    stage: str, grid: Grid, scenes: Scenes, even_clip_folder: Path, tmp_path: Path
) -> None:
    changes: dict[str, Any] = {"num_images": 32, "sample_images": 10**9, "checkpoint_images": 16}
    changes["dropout"] = {"t5": 0.2, "clip_text": 0.2, "clip_image": 0.3}
    settings = all_roles(stage, **changes)
    list(train(settings, tmp_path / "whole", scenes, encoders(even_clip_folder)))
    for tick in train(settings, tmp_path / "resumed", scenes, encoders(even_clip_folder)):
        if tick.state.images == 20:
            break
    fresh = Scenes(Composer(grid, SCENES)), encoders(even_clip_folder)
    list(train(settings, tmp_path / "resumed", *fresh))
    whole, again = final(tmp_path / "whole"), final(tmp_path / "resumed")
    assert all(torch.equal(whole[name], again[name]) for name in whole)
    name = "conditioner.pool.clip_image.weight"
    trained, average = whole[f"weights.{name}"], whole[f"average.{name}"]
    assert not torch.equal(trained, TrainState(settings).parameters[name])
    assert torch.equal(trained, average) == (stage == "base")  # where it stays once it is sketched


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
    words += ["--num-images", "8"]
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
