"""`ediffi info` as a person and a program meet it, on a tiny random model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers.cli import run

Capture = pytest.CaptureFixture[str]


def test_info(model_folder: Path, capsys: Capture) -> None:
    assert run("info", model_folder, "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["model"] == "tiny" and len(facts["hash"]) == 64
    stage = facts["stages"][1]
    assert stage["name"] == "sr256" and stage["resolution"] == 64 and stage["parameters"] > 1000
    assert stage["experts"] == [
        {
            "file": "sr256/model.safetensors",
            "sigma_min": 0.0,
            "sigma_max": None,
            "images_seen": 100,
        }
    ]
    assert facts["encoders"]["t5"]["kind"] == "text" and facts["encoders"]["clip_image"] is None
    assert facts["defaults"]["base"]["guidance_scale"] == 3.0
    assert facts["vocabulary"] == ["red fox", "rocket", "cat", "tree"]
    assert run("info", model_folder) == 0
    text = capsys.readouterr().out
    assert "sr1024: 256 px" in text and "draws 4 things" in text
    assert run("info", model_folder, "--vocabulary") == 0
    assert capsys.readouterr().out.splitlines() == [
        "animals-nature: cat, tree",
        "travel-places: rocket",
        "other: red fox",
    ]
