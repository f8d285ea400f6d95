"""An owner's own collection as what a model is measured on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.evaluation import tiny_cascade
from PIL import Image

from ediffi.cli.main import main
from ediffi.core.errors import UserError
from ediffi.data.labelled import ShardDataSet
from ediffi.evaluate.evaluation import Evaluation, Settings
from ediffi.evaluate.gallery import Subject
from ediffi.evaluate.metrics import nearest
from ediffi.evaluate.record import evaluate

NUM = 40
WORDS = ("a red fox", "a blue rocket", "a green tree", "a cat")


def shards(folder: Path, num: int) -> Path:
    """Pictures of one colour with a little noise and captions, imported."""
    source, rng = folder / "pictures", np.random.default_rng(0)
    source.mkdir(parents=True)
    for number in range(num):
        colour = rng.integers(0, 256, 3)
        noise = rng.normal(0, 20, (64, 64, 3))
        picture = np.clip(colour + noise, 0, 255).astype(np.uint8)
        Image.fromarray(picture).save(source / f"{number:03d}.png")
        (source / f"{number:03d}.txt").write_text(f"{WORDS[number % 4]}, number {number}")
    assert main(["data", "import", str(source), "-o", str(folder / "shards")]) == 0
    return folder / "shards"


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shards(tmp_path_factory.mktemp("collection"), NUM)


def test_its_pictures_are_dealt_out_once(collection: Path) -> None:
    data = ShardDataSet(collection)
    lessons = data.lessons
    parts = [data.prompts, data.reference, lessons.captioned, lessons.captioned_test]
    captions = [caption for part in parts for caption in part.captions]
    assert len(captions) == len(set(captions)) == NUM == len(data.training)
    assert not len(lessons.labelled)  # nobody knows what own pictures show
    with pytest.raises(UserError, match="at most 10 are there"):
        data.prompts.first(11)


def test_a_model_is_measured_on_it(collection: Path, clip_folder: Path, tmp_path: Path) -> None:
    settings = Settings.of(data=str(collection), num_images=8, extractor=str(clip_folder))
    subject = Subject(tiny_cascade(), tiny_cascade, tmp_path / "out")
    record = evaluate(Evaluation.open(settings, subject, tmp_path / "cache"))
    point = record["curve"][0]
    assert {"fd", "kid", "clip"} == set(point) - {"guidance"}
    assert record["memorization"]["training_pictures"] == NUM
    assert record["protocol"]["data"]["pictures"] == NUM
    settings = Settings.of(data=str(collection), metrics=("style",), extractor=str(clip_folder))
    with pytest.raises(UserError, match="style cannot be measured on"):
        evaluate(Evaluation.open(settings, subject, tmp_path / "cache"))


def test_too_few_pictures_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has 3 pictures: at least 32"):
        ShardDataSet(shards(tmp_path, 3))


def test_the_nearest_picture() -> None:
    corners = torch.eye(3)
    assert nearest(corners, corners).tolist() == pytest.approx([0, 0, 0])
    assert nearest(corners, corners, skip=1).tolist() == pytest.approx([1, 1, 1])
    assert nearest(torch.tensor([[2.0, 2.0, 0.0]]), corners).tolist() == pytest.approx(
        [1 - 0.5**0.5]
    )
