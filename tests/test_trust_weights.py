"""Weights say, signed, which model they are of; a change of one number is seen."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import safetensors.torch
import torch
from helpers.cli import run
from safetensors import safe_open

from ediffi.core.errors import UserError
from ediffi.model import Cascade, ModelFolder
from ediffi.trust.keys import Keys, create_keys, load_keys
from ediffi.trust.weights import read_weights_manifest, sign_weights

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def signer(keys: Path) -> Keys:
    found = load_keys(keys)
    assert found is not None
    return found


def test_a_file(signer: Keys, tmp_path: Path) -> None:
    tensors = {"a": torch.arange(12.0).view(3, 4), "b": torch.ones(5, dtype=torch.bfloat16)}
    plain = safetensors.torch.save(tensors, {"format": "pt"})
    signed = sign_weights(plain, signer, {"model": "tiny"}, "model.safetensors")
    (tmp_path / "w.safetensors").write_bytes(signed)
    with safe_open(tmp_path / "w.safetensors", "pt") as file:
        assert {"format", "c2pa:manifest"} == set(file.metadata())
        for name, tensor in tensors.items():
            assert torch.equal(file.get_tensor(name), tensor)
    found = read_weights_manifest(signed, "w", [signer.root])
    assert (found.status, found.settings) == ("trusted", {"model": "tiny"})
    assert read_weights_manifest(signed, "w").status == "valid"
    assert read_weights_manifest(plain, "w").status == "absent"
    again = sign_weights(signed, signer, {"model": "tiny"}, "w")  # replaces the first
    assert read_weights_manifest(again, "w", [signer.root]).status == "trusted"
    assert abs(len(again) - len(signed)) < 64


@pytest.mark.parametrize("place", ["number", "name", "metadata"])
def test_changes_are_seen(signer: Keys, place: str) -> None:
    plain = safetensors.torch.save({"weight": torch.zeros(64)}, {"format": "pt"})
    signed = sign_weights(plain, signer, {}, "w")
    changed = {
        "number": signed[:-1] + b"!",
        "name": signed.replace(b'"weight"', b'"weighs"'),
        "metadata": signed.replace(b'"format":"pt"', b'"format":"np"'),
    }[place]
    assert changed != signed
    assert read_weights_manifest(changed, "w", [signer.root]).status == "altered"


def test_a_manifest_of_other_weights(signer: Keys) -> None:
    first, second = (safetensors.torch.save({"w": torch.full((8,), float(n))}) for n in (1, 2))
    signed = sign_weights(first, signer, {}, "w")
    stolen = signed[: -len(second[-32:])] + second[-32:]
    assert read_weights_manifest(stolen, "w", [signer.root]).status == "altered"


@pytest.mark.parametrize(
    "data", [b"", b"words", b"\xff" * 64, b"\x08\0\0\0\0\0\0\0[1,2,3] ", b"\x02\0\0\0\0\0\0\0{"]
)
def test_what_is_no_safetensors_file(data: bytes, signer: Keys) -> None:
    for read in (
        lambda: read_weights_manifest(data, "w.safetensors"),
        lambda: sign_weights(data, signer, {}, "w.safetensors"),
    ):
        with pytest.raises(UserError, match=r"w\.safetensors is no safetensors file"):
            read()


def test_a_model_is_signed_and_still_works(
    model_folder: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "model"
    shutil.copytree(model_folder, copy)
    assert run("info", copy) == 0
    assert "signed" not in capsys.readouterr().out
    assert run("keys", "sign", copy) == 0
    digest = ModelFolder(copy).hash
    assert digest in capsys.readouterr().out and digest != ModelFolder(model_folder).hash
    assert run("info", copy) == 0
    assert "base/model.safetensors: by somebody you trust" in capsys.readouterr().out
    old, new = (Cascade.from_pretrained(f)("a cat", stop_at=16) for f in (model_folder, copy))
    assert torch.equal(old, new)
    create_keys(tmp_path / "others", "Another")
    monkeypatch.setenv("EDIFFI_KEYS", str(tmp_path / "others"))
    assert run("info", copy, "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    states = {name: s["status"] for name, s in facts["signatures"].items()}
    assert set(states) == {f"{s}/model.safetensors" for s in ("base", "sr256", "sr1024")}
    assert set(states.values()) == {"valid"}
