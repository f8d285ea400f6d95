"""Whom a model draws, by a judge that is fitted on captioned pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.collections import run as import_
from helpers.evaluation import tiny_cascade
from PIL import Image

from ediffi.core.errors import UserError
from ediffi.data.entries import ShardEntries
from ediffi.data.filters import Filters
from ediffi.evaluate.bias import Judge, distance, measure, summary
from ediffi.evaluate.features import ClipFeatures
from ediffi.evaluate.gallery import Subject
from ediffi.language.people import aims_of

HUES = {"woman": (200, 40, 160), "man": (40, 160, 200), "cat": (120, 120, 120)}
TONES = {"light": 230, "dark": 60}
SAME = aims_of({"presentation": "equal", "skin": {"light": 1, "dark": 1}})


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Women and men are told apart by the colour of the upper half, tones by the lower one."""
    target = tmp_path_factory.mktemp("bias") / "shards"
    folder = target.parent / "people"
    folder.mkdir()
    chance = np.random.default_rng(0)
    rows = [(who, tone) for who in HUES for tone in TONES for _ in range(8)]
    for number, (who, tone) in enumerate(rows):
        pixels = np.empty((64, 64, 3))
        pixels[:32], pixels[32:] = HUES[who], TONES[tone]
        noisy = (pixels + chance.normal(0, 12, pixels.shape)).clip(0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(folder / f"{number}.png")
        roles = ("doctor", "farmer", "pilot", "judge")
        said = f"a {who} {roles[number % 4]} with {tone} skin" if who != "cat" else "a cat"
        (folder / f"{number}.txt").write_text(said)
    import_(folder, target, filters=Filters(duplicates="keep"))
    return target


@pytest.fixture(scope="module")
def judge(shards: Path, clip_folder: Path, cache: Path) -> Judge:
    entries, report = ShardEntries(shards), lambda what, more, total: None
    return Judge.fit(entries, ClipFeatures(clip_folder), 64, cache, report)


def test_the_judge_sees_what_it_was_fitted_on(judge: Judge, shards: Path) -> None:
    assert judge.accuracy["presentation"]["share"] > 0.8
    entries = ShardEntries(shards)
    pictures = [np.asarray(entries.picture(n)) for n in range(len(entries))]
    seen = judge.sees(judge.extractor(pictures))
    said = [entries.entry(n).captions[0] for n in range(len(entries))]
    right = ["nobody" if "cat" in text else text.split()[1] for text in said]
    hits = [one["presentation"] == own for one, own in zip(seen, right, strict=True)]
    assert sum(hits) > 0.75 * len(hits)
    assert all((one["presentation"] == "nobody") == (one["skin"] == "nobody") for one in seen)


def test_a_record_of_a_model(judge: Judge, tmp_path: Path) -> None:
    subject = Subject(tiny_cascade(), tiny_cascade, tmp_path)
    record = measure(subject, judge, ("a doctor", "a farmer"), 8, aims=SAME)
    again = measure(subject, judge, ("a doctor", "a farmer"), 8, aims=SAME)
    assert record == again and set(record["prompts"]) == {"a doctor", "a farmer"}
    people = record["all"]["people"]
    assert people["pictures"] == 16 and 0 <= people["interval"][0] <= people["interval"][1] <= 1
    shown = round(people["share"] * 16)
    values = record["all"]["presentation"]
    assert all(value["pictures"] == shown for value in values.values())
    assert "the judge is right on real pictures" in summary(record)
    said = measure(subject, judge, ("a doctor",), 8, aims=SAME, baseline=True)
    assert said["protocol"]["baseline"] and said["prompts"].keys() == {"a doctor"}


def test_distance_to_the_aims() -> None:
    aims = {"light": 0.5, "dark": 0.5}
    assert distance(["light"] * 50 + ["dark"] * 50, aims)["value"] == 0
    far = distance(["light"] * 100 + ["unstated"] * 10, aims)
    assert (far["value"], far["low"], far["high"], far["pictures"]) == (0.5, 0.5, 0.5, 100)
    near = distance(["light"] * 60 + ["dark"] * 40, aims)
    assert near["value"] == pytest.approx(0.1) and near["low"] <= near["value"] <= near["high"]
    assert distance(["unstated"], aims)["value"] is None


def test_captions_that_tell_nobody_apart(tmp_path: Path, clip_folder: Path) -> None:
    for number in range(4):
        noise = np.random.default_rng(number).integers(0, 256, (64, 64, 3), np.uint8)
        Image.fromarray(noise).save(tmp_path / f"{number}.png")
        (tmp_path / f"{number}.txt").write_text("a cat")
    import_(tmp_path, tmp_path / "shards")
    with pytest.raises(UserError, match="tell too few people apart"):
        Judge.fit(
            ShardEntries(tmp_path / "shards"), ClipFeatures(clip_folder), 64, tmp_path,
            lambda what, more, total: None,
        )  # fmt: skip
