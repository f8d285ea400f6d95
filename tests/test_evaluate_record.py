"""A whole evaluation on a tiny grid and a random tiny model: figures, resuming, the command."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.evaluation import CURVE, NUM, evaluation, tiny_folder, without_times

from ediffi.cli.main import main
from ediffi.core.errors import UserError
from ediffi.evaluate.evaluation import Settings
from ediffi.evaluate.plots import plot_record
from ediffi.evaluate.record import evaluate, read_record
from ediffi.evaluate.report import summary
from ediffi.pictogram.grid import Grid

pytestmark = pytest.mark.usefixtures("quick_judges")


def test_record_resume_and_rerun(
    grid: Grid, cache: Path, clip_folder: Path, tmp_path: Path
) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    record = evaluate(evaluation(grid, cache, whole, clip_folder))
    assert [point["guidance"] for point in record["curve"]] == [1, 2]
    assert set(CURVE) < set(record["curve"][0]) and record["diversity"]["seeds"] == 4
    assert "memorization" not in record  # nobody says which pictures the model learned from
    names = record["protocol"]["names"]
    assert names["fd"] == f"fd-{clip_folder.name}" and "fid" not in str(names)
    # noise is far from real pictures, and real pictures are near each other
    real = record["real"]["prompts"]
    assert record["curve"][0]["fd"]["distance"] > 2 * real["fd"]["distance"]
    assert set(record["judges"]["accuracy_on_real"]) == {"concept", "style", "match"}

    # interrupted while it drew: some blocks are missing, one is half there, features are gone
    shutil.copytree(whole / "pictures", broken / "pictures")
    for number, folder in enumerate(sorted((broken / "pictures").iterdir())):
        pictures = sorted(folder.glob("*.png"))
        for path in [*pictures[5 + number :: 2], *folder.glob("*.safetensors")]:
            path.unlink()
    evaluate(evaluation(grid, cache, broken, clip_folder))
    assert without_times(whole / "record.json") == without_times(broken / "record.json")

    settings, _ = read_record(whole / "record.json")
    assert settings == evaluation(grid, cache, whole, clip_folder).settings
    names = {path.name for path in plot_record(record, tmp_path)}
    assert names == {"fd-clip.svg", "kid-clip.svg", "judges.svg"}
    assert b"<svg" in (tmp_path / "kid-clip.svg").read_bytes()
    text = summary(record)
    assert f"fd-{clip_folder.name}" in text and "| real pictures |" in text
    assert "diversity (guidance 2)" in text and "| pairs alike |" in text


def test_bad_settings_and_records_are_named(tmp_path: Path) -> None:
    for asked, message in (
        ({"metrics": ("fid",)}, "unknown metric 'fid'"),
        ({"num_images": 3}, "num_images"),
        ({"split": "all"}, "split"),
    ):
        with pytest.raises(UserError, match=message):
            Settings.of(**asked)
    with pytest.raises(UserError, match="cannot read the record"):
        read_record(tmp_path / "record.json")
    (tmp_path / "record.json").write_text("{}")
    with pytest.raises(UserError, match="no record of an evaluation"):
        read_record(tmp_path / "record.json")


def test_what_the_data_does_not_allow_is_refused(
    grid: Grid, cache: Path, clip_folder: Path, tmp_path: Path
) -> None:
    asked = evaluation(grid, cache, tmp_path, clip_folder, metrics=("memorization",))
    with pytest.raises(UserError, match="memorization cannot be measured on pictogram"):
        evaluate(asked)


def test_the_commands(
    grid: Grid,
    bert_folder: Path,
    clip_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    model = str(tiny_folder(tmp_path / "model", bert_folder))
    shared = ["--cache", str(grid.path), "-o"]
    asked = ["-n", "16", "--metrics", "kid,clip", "--extractor", str(clip_folder)]
    command = ["evaluate", "run", model, *asked, "--guidance", "1,3"]
    assert main([*command, *shared, str(tmp_path / "one")]) == 0
    assert f"kid-{clip_folder.name} x 1000" in capsys.readouterr().out
    record = str(tmp_path / "one" / "record.json")
    again = ["evaluate", "again", record, "--model", model]
    assert main([*again, *shared, str(tmp_path / "two")]) == 0
    assert "the same record as before" in capsys.readouterr().out
    assert (tmp_path / "two" / "kid-clip.svg").exists()

    for wrong, message in (
        (["--guidance", "much"], "--guidance is 'much'"),
        (["--metrics", "fid"], "unknown metric"),
        (["--stage", "100"], "cannot stop at 100"),
        (["--extractor", "vgg"], "no extractor 'vgg'"),
        (["--data", str(tmp_path)], "is no folder of shards"),
        (["--data", str(tmp_path), "--split", "held-out"], "--split is of the pictogram grid"),
    ):
        assert main([*command, *wrong, *shared, str(tmp_path / "three")]) == 2
        assert message in capsys.readouterr().err
    assert not (tmp_path / "three" / "record.json").exists()


def test_two_processes_make_the_same_record(
    grid: Grid, cache: Path, clip_folder: Path, tmp_path: Path
) -> None:
    told: list[int] = []

    def report(what: str, more: int, total: int) -> None:
        if what.startswith("pictures"):
            told.append(more)

    asked = {"metrics": ("kid", "clip"), "guidance": (2,)}
    one = evaluation(grid, cache, tmp_path / "one", clip_folder, **asked)
    changed = replace(one.subject, folder=tmp_path / "two", processes=2, report=report)
    for each in (one, replace(one, subject=changed)):
        evaluate(each)
    assert sum(told) == NUM and len(told) > 2  # two blocks, after what was there already
    folders = tmp_path / "one", tmp_path / "two"
    first, second = (without_times(folder / "record.json") for folder in folders)
    assert first == second
    drawn = [sorted(folder.glob("pictures/*/*.png")) for folder in folders]
    assert len(drawn[0]) == NUM
    assert [p.read_bytes() for p in drawn[0]] == [p.read_bytes() for p in drawn[1]]
