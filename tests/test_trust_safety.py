"""Filters of prompts and pictures: plug-ins, whose verdicts are seen."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from helpers.cli import run as ediffi
from helpers.collections import picture
from PIL import Image

from ediffi.core.errors import UserError
from ediffi.output import read_parameters
from ediffi.trust.filters import open_nsfw, profanity
from ediffi.trust.safety import Filters, Refused, Verdict

PLUGIN = """
from ediffi.trust.safety import Verdict

def prompts(prompt):
    return Verdict("rocket" not in prompt, "no rockets", 0.9)

def pictures(picture):
    return Verdict(picture.width < 64, "too wide to be safe", 0.7)
"""
ENTRY_POINTS = """[ediffi.prompt_filters]
house = ediffi_test_plugin:prompts
gone = ediffi_test_plugin:nothing
[ediffi.picture_filters]
narrow = ediffi_test_plugin:pictures
"""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package with filters, installed as pip leaves one."""
    site = tmp_path / "site"
    about = site / "ediffi_test_plugin-1.0.dist-info"
    about.mkdir(parents=True)
    (site / "ediffi_test_plugin.py").write_text(PLUGIN)
    (about / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: ediffi-test-plugin\nVersion: 1.0\n"
    )
    (about / "entry_points.txt").write_text(ENTRY_POINTS)
    monkeypatch.syspath_prepend(site)
    monkeypatch.delitem(sys.modules, "ediffi_test_plugin", raising=False)


def test_a_plug_in_is_found_and_heard(plugin: None) -> None:
    filters = Filters.named(["house", "narrow"])
    assert [told.as_json() for told in filters.check_prompt("a fox")] == [
        {"filter": "house", "allowed": True, "score": 0.9, "reason": "no rockets"}
    ]
    with pytest.raises(
        Refused, match=r"prompt 'a rocket' was refused .*house: no rockets"
    ) as error:
        filters.check_prompt("a rocket")
    assert error.value.told[0].verdict == Verdict(False, "no rockets", 0.9)
    assert filters.check_picture(Image.new("RGB", (32, 32)))[0].verdict.allowed


@pytest.mark.parametrize(
    ("name", "complaint"),
    [("moon", "no filter 'moon' is installed: there are .*words"), ("gone", "cannot be loaded")],
)
def test_filters_that_are_not_there(plugin: None, name: str, complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        Filters.named([name])


def test_nothing_is_drawn_of_a_refused_prompt(
    plugin: None, model_folder: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--model", model_folder, "--stop-at", 16, "--safety", "house"]
    assert ediffi("generate", "a rocket", "-o", "a.png", *options) == 2
    assert "house: no rockets" in capsys.readouterr().err
    assert ediffi("generate", "a red fox", "-o", "a.png", *options) == 0
    assert [path.name for path in here.glob("*.png")] == ["a.png"]


def test_a_refused_picture_is_not_written_and_said(
    plugin: None, model_folder: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The filter refuses 64 px; the smaller stage's pictures are let through, and say so."""
    options = ["--model", model_folder, "--safety", "narrow", "--num-images", 2]
    asked = ["generate", "a red fox", "-o", "a.png", *options]
    assert ediffi(*asked, "--stop-at", 64) == 2
    err = capsys.readouterr().err
    assert "a-1.png was refused" in err and "too wide to be safe" in err
    assert "Nothing was written in their place" in err and not list(here.glob("*.png"))
    assert ediffi(*asked, "--stop-at", 16) == 0
    said = read_parameters(Path("a-2.png"))["safety"]
    assert said == [{"filter": "narrow", "allowed": True, "score": 0.7,
                     "reason": "too wide to be safe"}]  # fmt: skip


def test_words_of_a_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filters = Filters.named(["words"])
    monkeypatch.delenv("EDIFFI_REFUSED_WORDS", raising=False)
    with pytest.raises(UserError, match=r"name it in \$EDIFFI_REFUSED_WORDS"):
        filters.check_prompt("a fox")
    (tmp_path / "words.txt").write_text("Rocket\nmy logo\n")
    monkeypatch.setenv("EDIFFI_REFUSED_WORDS", str(tmp_path / "words.txt"))
    for prompt in ("a ROCKET.", "draw my logo"):
        with pytest.raises(Refused, match="it says"):
            filters.check_prompt(prompt)
    assert filters.check_prompt("two rocketeers, logo")[0].verdict.allowed


def test_filters_of_packages() -> None:
    """The real ones: a list of swear words, and Open NSFW's network on a harmless picture."""
    assert profanity("a red fox in the snow").allowed and not profanity("fuck").allowed
    verdict = open_nsfw(picture(3, (128, 128)))
    assert verdict.allowed and verdict.score is not None and 0 <= verdict.score < 0.8
