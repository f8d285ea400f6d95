"""A whole evaluation on a tiny grid and a random tiny model: figures, resuming, the command."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from ediffi.cli.main import main
from ediffi.core.errors import UserError
from ediffi.core.types import Tokens
from ediffi.encoders.spec import EncoderSpec, weights_hash
from ediffi.evaluate.compose import by_kind, look
from ediffi.evaluate.compose_prompts import COMPOSE, KINDS, read_compose, truth
from ediffi.evaluate.evaluation import Context, Settings, evaluate, read_record
from ediffi.evaluate.layout import layout_scores
from ediffi.evaluate.plots import layout_table, plot_record, summary
from ediffi.evaluate.rows import write_rows
from ediffi.model import Cascade, ModelConfig, Sampling, Stage, StageConfig, save_model
from ediffi.networks import PRESETS, build_denoiser
from ediffi.pictogram.grid import Grid
from studies.layouts import make_layouts

NUM = 24
STYLES = ("noto", "emojione", "fluent-emoji-3d")


class Letters:
    """A text encoder: one token a letter, its code in binary."""

    def encode(self, texts: Sequence[str]) -> Tokens:
        codes = torch.zeros(len(texts), 96, dtype=torch.long)
        for row, text in enumerate(texts):
            letters = [ord(letter) for letter in text][:96]
            codes[row, : len(letters)] = torch.tensor(letters)
        states = ((codes[..., None] >> torch.arange(32)) & 1).float()
        return Tokens(states, codes > 0, states.mean(1))

    def offsets(self, text: str) -> list[tuple[int, int]]:
        return [(n, n + 1) for n in range(min(len(text), 96))]


def tiny_cascade(encoders: dict[str, Any] | None = None) -> Cascade:
    stage = StageConfig(
        name="base",
        resolution=64,
        network=PRESETS["tiny"]["base"],
        sigma_data=0.5,
        sampling=Sampling(num_steps=2, sigma_min=0.05, sigma_max=80.0, guidance_scale=2.0),
    )

    def random_stage(config: StageConfig) -> Stage:
        torch.manual_seed(0)
        denoiser = build_denoiser(config.network, config.sigma_data)
        for parameter in denoiser.parameters():
            torch.nn.init.normal_(parameter, std=0.2)
        return Stage(config, denoiser)

    config = ModelConfig(name="tiny", stages=(stage,), encoders={}, styles=STYLES)
    encoders = encoders or {"t5": Letters()}
    return Cascade(config, random_stage, encoders=encoders, hash="0" * 64)


@pytest.fixture(scope="module", autouse=True)
def quick_judge() -> Any:
    """Small judges are trained and fitted in a few seconds."""
    patch = pytest.MonkeyPatch()
    patch.setattr("ediffi.evaluate.judges.NUM_SCENES", 64)
    patch.setattr("ediffi.evaluate.judges.NUM_TEST_SCENES", 32)
    yield
    patch.undo()


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where judges and real features are kept between the tests."""
    return tmp_path_factory.mktemp("cache")


def context(grid: Grid, cache: Path, folder: Path, **settings: Any) -> Context:
    asked = {"num_images": NUM, "extractor": "small-judge-64", "guidance": (1, 2)} | settings
    return Context(
        settings=Settings.model_validate(asked),
        cascade=tiny_cascade(),
        open_cascade=tiny_cascade,
        grid=grid,
        folder=folder,
        processes=1,
        cache_dir=cache,
        report=lambda what, more, total: None,
    )


EVERY = ("fd", "kid", "clip", "concept", "style", "compose", "diversity", "memorization", "layout")


def without_times(path: Path) -> str:
    record = json.loads(path.read_text())
    del record["timestamps"]
    return json.dumps(record, indent=2)


def test_record_resume_and_rerun(grid: Grid, cache: Path, tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    record = evaluate(context(grid, cache, whole, metrics=EVERY))
    assert [point["guidance"] for point in record["curve"]] == [1, 2]
    assert set(EVERY[:5]) < set(record["curve"][0]) and set(EVERY[5:]) < set(record)
    assert record["protocol"]["names"]["fd"] == "fd-small-judge-64"
    assert not any("fid" in name for name in record["protocol"]["names"].values())
    # noise is far from real pictures, and real pictures are near each other
    assert record["curve"][0]["kid"]["value"] > 3 * record["real"]["prompts"]["kid"]["high"]
    concept = record["real"]["prompts"]["concept"]
    assert concept["top1"]["share"] > concept["null_top1"]
    assert record["diversity"]["seeds"] == 4
    assert record["layout"]["layouts"] == 0  # their style is not in the tiny grid

    # interrupted while it drew: some blocks are missing, one is half there, features are gone
    shutil.copytree(whole / "pictures", broken / "pictures")
    for number, folder in enumerate(sorted((broken / "pictures").iterdir())):
        pictures = sorted(folder.glob("*.png"))
        for path in [*pictures[5 + number :: 2], *folder.glob("*.safetensors")]:
            path.unlink()
    evaluate(context(grid, cache, broken, metrics=EVERY))
    assert without_times(whole / "record.json") == without_times(broken / "record.json")

    settings, _ = read_record(whole / "record.json")
    assert settings == context(grid, cache, whole, metrics=EVERY).settings
    names = {path.name for path in plot_record(record, tmp_path)}
    assert names == {"fd-clip.svg", "kid-clip.svg", "judges.svg"}
    assert b"<svg" in (tmp_path / "kid-clip.svg").read_bytes()
    text = summary(record)
    assert "fd-small-judge-64" in text and "| background |" in text and "flagged" in text


def test_the_metric_layout(
    grid: Grid, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layouts = tmp_path / "layouts.jsonl"
    write_rows(layouts, make_layouts(grid, 9, STYLES[:2]))
    monkeypatch.setattr("ediffi.evaluate.layout.LAYOUTS", layouts)
    asked = context(grid, cache, tmp_path)
    asked.__dict__["judges"] = replace(asked.judges, left_out={})
    found = layout_scores(asked)
    assert found["layouts"] == 9 and found["columns"]["none"]["right"]["pictures"] == 21
    assert found["columns"]["real"]["iou"] > found["columns"]["none"]["iou"]
    assert found["aims"]["iou_aim"] == 0.75 and "one thing alone" in layout_table(found)
    assert layout_scores(asked) == found


def test_real_compositions_are_judged_right(grid: Grid, cache: Path, tmp_path: Path) -> None:
    rows = [r for r in read_compose(COMPOSE) if all(_drawn(grid, t.hexcode) for t in r.things)]
    ctx = context(grid, cache, tmp_path)
    pictures = [truth(ctx.data.composer, row, "emojione", 64) for row in rows]
    seen = look(pictures, ctx.judges, lambda more: None)
    found = by_kind(rows, seen, ctx.judges)
    null = by_kind(rows, seen, ctx.judges, null=True)
    assert set(found) == set(KINDS)
    assert found["background"]["right"]["share"] == 1 > null["background"]["right"]["share"]
    for kind, name in (("count", "right"), ("colour", "colour_right")):
        if found[kind]:
            assert found[kind][name]["share"] > 0.7


def _drawn(grid: Grid, hexcode: str) -> bool:
    return (hexcode, "emojione") in grid.cells


def test_bad_settings_and_records_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="unknown metric"):
        Settings(metrics=("fid",))
    with pytest.raises(UserError, match="cannot read the record"):
        read_record(tmp_path / "record.json")
    (tmp_path / "record.json").write_text("{}")
    with pytest.raises(UserError, match="no record of an evaluation"):
        read_record(tmp_path / "record.json")


def test_the_command(
    grid: Grid, bert_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cascade = tiny_cascade()
    spec = EncoderSpec(kind="text", source=str(bert_folder), sha256=weights_hash(bert_folder))
    config = cascade.config.model_copy(update={"encoders": {"t5": spec}})
    weights = {"base": cascade.stages[0].denoiser.network.state_dict()}
    save_model(tmp_path / "model", config, weights)
    shared = ["--cache", str(grid.path), "-o"]
    asked = ["-n", "16", "--metrics", "kid,clip", "--extractor", "small-judge-64"]
    command = ["evaluate", str(tmp_path / "model"), *asked, "--guidance", "1,3"]
    assert main([*command, *shared, str(tmp_path / "one")]) == 0
    assert "kid-small-judge-64 x 1000" in capsys.readouterr().out
    record = tmp_path / "one" / "record.json"
    again = ["evaluate", str(tmp_path / "model"), "--from", str(record)]
    assert main([*again, *shared, str(tmp_path / "two")]) == 0
    assert "the same record as before" in capsys.readouterr().out
    assert (tmp_path / "two" / "kid-clip.svg").exists()

    for wrong, message in (
        (["--guidance", "much"], "--guidance is 'much'"),
        (["--metrics", "fid"], "unknown metric"),
        (["--stage", "100"], "cannot stop at 100"),
        (["--from", str(record)], "--from takes all settings"),
        (["--data", "captions.json"], "need --images"),
    ):
        assert main([*command, *wrong, *shared, str(tmp_path / "three")]) == 2
        assert message in capsys.readouterr().err
    assert not (tmp_path / "three" / "record.json").exists()


def test_two_processes_make_the_same_record(grid: Grid, cache: Path, tmp_path: Path) -> None:
    told: list[int] = []

    def report(what: str, more: int, total: int) -> None:
        if what.startswith("pictures"):
            told.append(more)

    one = context(grid, cache, tmp_path / "one", metrics=("kid", "clip"), guidance=(2,))
    two = replace(one, folder=tmp_path / "two", processes=2, report=report)
    for ctx in (one, two):
        evaluate(ctx)
    assert sum(told) == NUM and len(told) > 2  # two blocks, after what was there already
    assert without_times(one.folder / "record.json") == without_times(two.folder / "record.json")
    drawn = [sorted(ctx.folder.glob("pictures/*/*.png")) for ctx in (one, two)]
    assert len(drawn[0]) == NUM
    assert [p.read_bytes() for p in drawn[0]] == [p.read_bytes() for p in drawn[1]]
