"""What the text does at which noise level."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from helpers.evaluation import tiny_cascade
from PIL import Image

from ediffi.core.errors import UserError
from ediffi.evaluate.attention import LAST, attention_experiment, shares_over_sigma, switched
from ediffi.model.request import Request


def test_attention_is_measured_at_every_evaluation() -> None:
    cascade = tiny_cascade()
    rows = shares_over_sigma(cascade, cascade.plan(Request.of(prompts="a fox", num_steps=3)))
    assert len(rows) == 3
    assert [row.sigma for row in rows] == sorted((row.sigma for row in rows), reverse=True)
    assert all(0 < row.text < 1 and 0 < row.null < 1 for row in rows)
    assert all(row.text + row.null < 1.01 for row in rows)


def test_a_prompt_is_exchanged_for_a_share_of_the_evaluations() -> None:
    cascade = tiny_cascade()
    fox, zoo = (
        cascade.plan(Request.of(prompts=p, num_images=2, num_steps=4, dtype=torch.float32))
        for p in ("a fox", "zzz")
    )
    whole = {
        p: cascade.generate(p, num_images=2, num_steps=4, dtype=torch.float32)
        for p in ("a fox", "zzz")
    }
    assert torch.equal(switched(cascade, fox, zoo, 0.0), whole["a fox"])
    assert torch.equal(switched(cascade, fox, zoo, 1.0), whole["zzz"])
    half = switched(cascade, fox, zoo, 0.5)
    assert not torch.equal(half, whole["a fox"]) and not torch.equal(half, whole["zzz"])


def test_pictures_of_other_seeds_are_not_exchanged() -> None:
    cascade = tiny_cascade()
    plans = [cascade.plan(Request.of(prompts="a fox", seeds=seed)) for seed in (0, 1)]
    with pytest.raises(UserError, match="seeds"):
        switched(cascade, *plans, last=0.5)


def test_the_experiment_writes_its_curve_and_its_pictures(tmp_path: Path) -> None:
    rows = attention_experiment(
        tiny_cascade(), ("a fox", "a zoo"), tmp_path, num_images=2, num_steps=2
    )
    record = json.loads((tmp_path / "attention.json").read_text())
    assert [row["sigma"] for row in record["attended"]] == [row.sigma for row in rows]
    assert (tmp_path / "attention.svg").read_text().count("<path") > 4
    with Image.open(tmp_path / "switched.png") as sheet:
        assert sheet.height // sheet.width >= len(LAST) // 2 - 1
