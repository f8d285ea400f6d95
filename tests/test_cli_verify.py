"""`ediffi verify` and `ediffi keys` as a person and a script meet them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers.cli import run
from PIL import Image

from ediffi.output import read_parameters
from ediffi.trust.keys import create_keys

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def fox(model_folder: Path, here: Path, capsys: Capture) -> Path:
    run("generate", "a red fox", "-o", "fox.png", "-m", model_folder, "--seed", 7)
    capsys.readouterr()
    return here / "fox.png"


def test_a_picture_of_ours(fox: Path, capsys: Capture) -> None:
    assert run("verify", fox) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"{fox}: TRUSTED: signed by somebody you trust")
    for said in ("signed by the tests", "made by tiny and ediffi", "trainedAlgorithmicMedia"):
        assert said in out
    assert "proof" not in out  # of what absence means, only where something is absent


def test_exit_codes_are_of_the_gravest_file(
    fox: Path, here: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.open(fox).save(here / "saved-again.png")
    (here / "altered.png").write_bytes(fox.read_bytes() + b"!")
    (here / "text.png").write_text("no picture")
    assert run("verify", "saved-again.png") == 5
    assert "No mark is no proof" in capsys.readouterr().out
    assert run("verify", "saved-again.png", fox, "altered.png", "text.png", "--json") == 1
    found = json.loads(capsys.readouterr().out)
    assert [each["verdict"] for each in found] == ["unknown", "trusted", "altered", "error"]
    assert found[1]["rests_on"] == "manifest" and found[1]["manifest"]["model"] == "tiny"
    assert found[2]["manifest"]["reasons"] == ["assertion.dataHash.mismatch"]
    assert "is not a picture" in found[3]["error"]
    assert run("verify", "text.png") == 2
    assert "is not a picture" in capsys.readouterr().err

    create_keys(here / "theirs", "Theirs")
    monkeypatch.setenv("EDIFFI_KEYS", str(here / "theirs"))
    assert run("verify", fox) == 3
    assert "VALID" in capsys.readouterr().out
    assert run("verify", fox, "--trust", here / "theirs" / "root.pem") == 3
    assert run("verify", fox, "--trust", here / "none.pem") == 2


def test_a_reference_keeps_its_mark(
    whole_folder: Path, fox: Path, here: Path, capsys: Capture
) -> None:
    options = ["-m", whole_folder, "--stop-at", 16]
    assert run("generate", "a cat", "--style", fox, "-o", "cat.jpg", *options) == 0
    assert read_parameters(here / "cat.jpg")["style"] == [{"picture": "fox.png", "weight": 1.0}]
    capsys.readouterr()
    assert run("verify", "cat.jpg", "--json") == 0
    (found,) = json.loads(capsys.readouterr().out)
    ingredient = {"title": "fox.png", "relation": "inputTo", "status": "trusted"}
    assert found["manifest"]["ingredients"] == [ingredient]
    assert "prompt" not in found["manifest"]["settings"]


def test_keys(
    here: Path, model_folder: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDIFFI_KEYS", str(here / "keys"))
    assert run("keys", "show") == 0
    assert "no key yet" in capsys.readouterr().out
    assert run("keys", "create", "--name", "Studio Fuchs", "--prompts") == 0
    out = capsys.readouterr().out
    assert "name: Studio Fuchs" in out and "does not prove who you are" in out
    assert run("keys", "create", "--name", "Again") == 2
    assert run("generate", "a cat", "-o", "a.png", "-m", model_folder, "--stop-at", 16) == 0
    capsys.readouterr()
    assert run("verify", "a.png", "--json") == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["manifest"]["settings"]["prompt"] == "a cat"
    assert run("keys", "change", "--no-sign", "--no-prompts") == 0
    assert "are not signed" in capsys.readouterr().out
    assert run("generate", "a cat", "-o", "b.png", "-m", model_folder, "--stop-at", 16) == 0
    capsys.readouterr()
    assert run("verify", "b.png") == 4  # its metadata still tell
    assert run("keys", "show", "--json") == 0
    out = capsys.readouterr().out
    facts = json.loads(out[out.index("{\n") :])
    assert facts["key"]["name"] == "Studio Fuchs"
    assert (facts["sign"], facts["prompts"]) == (False, False)
    chain, key = here / "keys" / "chain.pem", here / "keys" / "key.pem"
    monkeypatch.setenv("EDIFFI_KEYS", str(here / "imported"))
    assert run("keys", "import", chain, key) == 0
    assert run("keys", "import", chain, key) == 2
