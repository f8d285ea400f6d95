"""Model folders: what is saved comes back, and nothing damaged is ever used."""

from __future__ import annotations

import json
import math
import os
import shutil
from pathlib import Path

import pytest
import torch

from ediffi.core.errors import Notice, UserError
from ediffi.diffusion import Experts
from ediffi.model import Cascade, ModelFolder, locate, save_model
from ediffi.model.config import Expert

FILES = ["config.json"] + [
    f"{stage}/{file}"
    for stage in ("base", "sr256", "sr1024")
    for file in ("config.json", "model.safetensors")
]


@pytest.fixture
def copy(model_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(model_folder, tmp_path / "copy"))


def draw(folder: Path) -> torch.Tensor:
    return Cascade.from_pretrained(folder).generate("a red fox", seeds=3)


def test_save_and_load(model_folder: Path, tmp_path: Path) -> None:
    first = Cascade.from_pretrained(model_folder)
    first.save_pretrained(tmp_path / "again")
    second = Cascade.from_pretrained(tmp_path / "again")
    assert second.config == first.config and second.hash == first.hash
    assert torch.equal(first.generate("a red fox"), second.generate("a red fox"))


def test_every_file_is_in_the_manifest(model_folder: Path) -> None:
    manifest = json.loads((model_folder / "manifest.json").read_text())
    assert sorted(manifest["files"]) == sorted(FILES)
    assert not list(model_folder.rglob("*.part"))


@pytest.mark.parametrize("name", FILES)
def test_one_flipped_byte(copy: Path, name: str) -> None:
    path = copy / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    expected = json.loads((copy / "manifest.json").read_text())["files"][name]
    with pytest.raises(UserError, match=f"{name} is damaged: sha256 [0-9a-f]{{64}}, .*{expected}"):
        draw(copy)


@pytest.mark.parametrize("name", [*FILES, "manifest.json"])
def test_truncated_and_missing(copy: Path, name: str) -> None:
    size = (copy / name).stat().st_size
    os.truncate(copy / name, size // 2)
    with pytest.raises(UserError, match=f"{name} is damaged"):
        draw(copy)
    (copy / name).unlink()
    with pytest.raises(UserError, match=name):
        draw(copy)


def test_no_such_model(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no model folder.*nowhere"):
        locate(tmp_path / "nowhere")
    with pytest.raises(UserError, match="not a model folder"):
        Cascade.from_pretrained(tmp_path)
    with pytest.warns(Notice, match="asking the hub"), pytest.raises(UserError, match="not on the"):
        locate("somebody/unknown-model")


def test_a_stage_may_be_replaced_alone(copy: Path) -> None:
    before = ModelFolder(copy)
    weights = {name: tensor + 1 for name, tensor in before.weights("sr256").items()}
    save_model(copy, before.config, {"sr256": weights})
    after = ModelFolder(copy)
    assert after.hash != before.hash
    for stage, changed in (("base", False), ("sr256", True), ("sr1024", False)):
        same = (
            all(
                torch.equal(tensor, before.weights(stage)[name])
                for name, tensor in after.weights(stage).items()
            )
            if not changed
            else False
        )
        assert same is not changed


def test_saving_does_not_bless_damage(copy: Path) -> None:
    folder = ModelFolder(copy)
    path = copy / "base" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    save_model(copy, folder.config, {"sr256": folder.weights("sr256")})
    with pytest.raises(UserError, match=r"base/model\.safetensors is damaged"):
        draw(copy)


def test_a_stage_without_weights_is_not_saved(model_folder: Path, tmp_path: Path) -> None:
    folder = ModelFolder(model_folder)
    with pytest.raises(UserError, match="stage sr256 has no weights"):
        save_model(tmp_path / "new", folder.config, {"base": folder.weights("base")})
    assert not (tmp_path / "new").exists()


def test_a_file_as_folder_is_said_plainly(model_folder: Path, tmp_path: Path) -> None:
    folder = ModelFolder(model_folder)
    weights = {stage.name: folder.weights(stage.name) for stage in folder.config.stages}
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UserError, match=r"cannot make the folder .*: Not a directory"):
        save_model(tmp_path / "file" / "new", folder.config, weights)
    assert (tmp_path / "file").read_text() == "mine"


def test_a_failed_save_leaves_the_old_model(copy: Path) -> None:
    folder = ModelFolder(copy)
    stages = folder.config.stages
    before = (copy / "base" / "model.safetensors").read_bytes()
    (copy / "config.json").unlink()
    (copy / "config.json").mkdir()  # the first file to be moved cannot be
    weights = {s.name: {k: v + 1 for k, v in folder.weights(s.name).items()} for s in stages}
    with pytest.raises(UserError, match=r"cannot write .*config\.json: Is a directory"):
        save_model(copy, folder.config, weights)
    assert (copy / "base" / "model.safetensors").read_bytes() == before
    assert not list(copy.rglob("*.part"))


def test_weights_of_another_network(copy: Path) -> None:
    folder = ModelFolder(copy)
    save_model(copy, folder.config, {"base": folder.weights("sr256")})
    with pytest.raises(UserError, match="weights of stage base do not fit"):
        draw(copy)


def test_only_the_stages_asked_for_are_read(copy: Path) -> None:
    (copy / "sr1024" / "model.safetensors").unlink()
    cascade = Cascade.from_pretrained(copy)
    assert cascade.generate("a red fox", stop_at=64).shape == (1, 3, 64, 64)


NODES = ("low", "high")


@pytest.fixture
def ensemble(copy: Path) -> Path:
    """The model with two experts in its base, which differ in their modulation alone."""
    folder = ModelFolder(copy)
    base, *others = folder.config.stages
    experts = tuple(
        Expert(node=n, sigma_min=a, sigma_max=b, file=f"base/{n}.safetensors", images_seen=300)
        for n, a, b in zip(NODES, (0.0, 1.0), (1.0, math.inf), strict=True)
    )
    stages = (base.model_copy(update={"experts": experts}), *others)
    root = folder.weights("base")
    moved = {name: t * 1.5 if "modulate" in name else t for name, t in root.items()}
    config = folder.config.model_copy(update={"stages": stages})
    save_model(copy, config, {}, experts={"base": dict(zip(NODES, (root, moved), strict=True))})
    return copy


def test_experts_share_what_is_the_same(ensemble: Path, model_folder: Path) -> None:
    before, after = ModelFolder(model_folder), ModelFolder(ensemble)
    root = before.weights("base")
    own = [name for name in root if "modulate" in name]
    assert after.shared("base") == root.keys() - set(own)
    assert after.num_parameters("base") == before.num_parameters("base") + sum(
        root[name].numel() for name in own
    )
    low, high = (after.weights("base", node) for node in NODES)
    assert all(torch.equal(low[name], root[name]) for name in root)
    assert all(torch.equal(high[name], root[name] * (1.5 if name in own else 1)) for name in root)
    experts = Cascade.from_pretrained(ensemble).stage("base").denoiser
    assert isinstance(experts, Experts)
    one, other = (dict(denoiser.named_parameters()) for denoiser in experts.denoisers)
    assert {name for name in one if one[name] is not other[name]} == set(own)


def test_an_ensemble_is_drawn_and_saved_like_any_model(ensemble: Path, tmp_path: Path) -> None:
    whole = Cascade.from_pretrained(ensemble)
    picture = whole.generate("a red fox", seeds=3, stop_at=16)
    one = Cascade.from_pretrained(ensemble, one_resident=True)
    assert torch.equal(picture, one.generate("a red fox", seeds=3, stop_at=16))
    for number, cascade in enumerate((whole, one)):
        cascade.save_pretrained(tmp_path / str(number))
        again = Cascade.from_pretrained(tmp_path / str(number))
        assert again.config == whole.config and again.hash == whole.hash
        assert torch.equal(picture, again.generate("a red fox", seeds=3, stop_at=16))


@pytest.mark.parametrize("name", ["model", *NODES])
def test_a_damaged_or_missing_expert(ensemble: Path, name: str) -> None:
    path = ensemble / "base" / f"{name}.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    with pytest.raises(UserError, match=rf"{name}\.safetensors is damaged"):
        Cascade.from_pretrained(ensemble).generate("a red fox", stop_at=16)
    path.unlink()
    with pytest.raises(UserError, match=rf"{name}\.safetensors is missing"):
        Cascade.from_pretrained(ensemble).generate("a red fox", stop_at=16)


def test_an_ensemble_is_no_single_network(ensemble: Path) -> None:
    folder = ModelFolder(ensemble)
    with pytest.raises(UserError, match="ensemble of 2 experts"):
        folder.weights("base")
    with pytest.raises(UserError, match="has no expert middle"):
        folder.weights("base", "middle")
    experts = {"low": folder.weights("base", "low"), "high": folder.weights("sr256")}
    with pytest.raises(UserError, match="not of one architecture"):
        save_model(ensemble, folder.config, {}, experts={"base": experts})
    del experts["high"]
    with pytest.raises(UserError, match="no weights for its experts high"):
        save_model(ensemble, folder.config, {}, experts={"base": experts})


def test_one_network_in_an_ensembles_place(ensemble: Path, model_folder: Path) -> None:
    before = ModelFolder(model_folder)
    save_model(ensemble, before.config, {"base": before.weights("base")})
    assert ModelFolder(ensemble).hash == before.hash
    assert {path.name for path in (ensemble / "base").iterdir()} == {
        "config.json",
        "model.safetensors",
    }


def test_number_of_parameters(model_folder: Path) -> None:
    folder = ModelFolder(model_folder)
    weights = folder.weights("base")
    assert folder.num_parameters("base") == sum(w.numel() for w in weights.values())
    assert all(w.dtype == torch.bfloat16 for w in weights.values())
