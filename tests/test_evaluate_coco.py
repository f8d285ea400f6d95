"""FID, CLIP score and CMMD on captions in COCO's format, on random weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.evaluation import tiny_cascade
from PIL import Image

from ediffi.core.errors import UserError
from ediffi.evaluate.coco import CocoProtocol, CocoSettings, clip_score, read_captions
from ediffi.evaluate.gallery import Subject
from ediffi.evaluate.inception import InceptionV3


def coco(folder: Path, num: int) -> Path:
    rng = np.random.default_rng(0)
    rows: dict[str, list[dict[str, Any]]] = {"images": [], "annotations": []}
    for number in range(num):
        name = f"{number}.png"
        Image.fromarray(rng.integers(0, 256, (48, 40, 3), np.uint8)).save(folder / name)
        rows["images"].append({"id": number, "file_name": name})
        for word in ("fox", "cat"):
            caption = f"a {word} on picture {number}"
            rows["annotations"].append({"image_id": number, "caption": caption})
    path = folder / "captions.json"
    path.write_text(json.dumps(rows))
    return path


def test_the_protocol(tmp_path: Path, clip_folder: Path) -> None:
    captions = coco(tmp_path, 6)
    torch.manual_seed(0)
    torch.save(InceptionV3().state_dict(), tmp_path / "w.pth")
    settings = CocoSettings.of(
        captions=captions,
        images=tmp_path,
        inception=tmp_path / "w.pth",
        clip=clip_folder,
        num_images=5,
        stage=64,
    )
    runs = []
    for _ in range(2):  # the second draws nothing
        subject = Subject(tiny_cascade(), tiny_cascade, tmp_path / "out")
        record = CocoProtocol(settings, subject).run()
        assert json.loads((tmp_path / "out" / "record.json").read_text()) == record
        del record["timestamps"]
        runs.append(record)
    assert runs[0] == runs[1]
    point = runs[0]["curve"][0]
    assert point["fid"] > 0 and point["cmmd"] > 0 and 0 <= point["clip_score"]["mean"] <= 100
    assert runs[0]["protocol"]["inception_resize"] == "legacy-tf to 299 px"


def test_clip_score_in_closed_form() -> None:
    eye = torch.eye(2)
    assert clip_score(3 * eye, eye) == {"mean": 100.0, "null": 0.0}
    assert clip_score(-eye, eye) == {"mean": 0.0, "null": 0.0}  # negatives count as 0


def test_captions_are_a_fixed_choice_of_one_each(tmp_path: Path) -> None:
    path = coco(tmp_path, 5)
    texts, names = read_captions(path, 5)
    assert sorted(text[-1] for text in texts) == list("01234")
    assert (texts, names) == read_captions(path, 5) and len(names) == 5
    assert read_captions(path, 2)[0] == texts[:2]
    with pytest.raises(UserError, match="captions of 5 pictures"):
        read_captions(path, 6)
    path.write_text("[]")
    with pytest.raises(UserError, match="no captions in COCO's format"):
        read_captions(path, 1)
    with pytest.raises(UserError, match="nothing to measure"):
        CocoSettings.of(captions=path, images=tmp_path)
