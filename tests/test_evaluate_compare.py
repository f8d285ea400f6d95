"""Two models side by side, the encoders experiment, captions in COCO's format: on tiny models."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from test_evaluate_record import Letters, context, quick_judge, tiny_cascade

from ediffi.core.errors import UserError
from ediffi.evaluate.canonical import CanonicalSettings, evaluate_captions, read_captions
from ediffi.evaluate.comparison import compare
from ediffi.evaluate.experiments import EncodersConfig, encoders
from ediffi.evaluate.inception import InceptionV3
from ediffi.model import Cascade
from ediffi.pictogram.grid import Grid

__all__ = ["quick_judge"]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def other_cascade() -> Cascade:
    cascade = tiny_cascade()
    cascade.hash = "1" * 64
    return cascade


def test_the_page_needs_nothing_but_itself(grid: Grid, cache: Path, tmp_path: Path) -> None:
    ctx = context(grid, cache, tmp_path, num_images=12)
    record = compare(ctx, other_cascade(), other_cascade)
    page = (tmp_path / "index.html").read_text()
    assert page.count("<img") == 24 and page.count("data:image/webp;base64,") == 24
    assert not re.findall(r'(?:src|href)="(?!data:)', page) and "http" not in page
    assert all(hash_[:12] in page for hash_ in ("0" * 64, "1" * 64))
    figures = record["figures"]
    assert figures["match_difference"]["value"] == 0  # the same network under two names
    assert figures["concept"][0] == figures["concept"][1]
    assert json.loads((tmp_path / "compare.json").read_text()) == record


def test_own_prompts_are_escaped(grid: Grid, cache: Path, tmp_path: Path) -> None:
    texts = ["a <b>fox</b> & a rocket"] * 4 + ["an owl"] * 4
    record = compare(context(grid, cache, tmp_path), tiny_cascade(), tiny_cascade, texts)
    page = (tmp_path / "index.html").read_text()
    assert "a &lt;b&gt;fox&lt;/b&gt; &amp; a rocket" in page and "<b>" not in page
    assert set(record["figures"]) == {"match_cosine", "match_difference", "b_fits_better"}


class Counted:
    """A clip_text encoder: one token, the numbers of letters."""

    name = "letter counts"

    def encode(self, texts: Sequence[str]) -> Any:
        counts = torch.tensor([[float(t.count(chr(97 + n))) for n in range(32)] for t in texts])
        from ediffi.core.types import Tokens

        return Tokens(counts[:, None], torch.ones(len(texts), 1, dtype=torch.bool), counts)


SMALL = EncodersConfig(num_images=8, guidance=(1, 2), extractor="small-judge-64")


def test_both_encoders_are_compared(grid: Grid, cache: Path, tmp_path: Path) -> None:
    ctx = context(grid, cache, tmp_path)
    both = {"t5": Letters(), "clip_text": Counted()}
    cascade = tiny_cascade(both)
    ctx = replace(ctx, cascade=cascade, open_cascade=lambda: cascade)
    record = encoders(ctx, SMALL)
    assert record["impossible"] == []
    for lines in record["curves"].values():
        assert set(lines) == {"t5", "clip_text", "both"}
        assert [point["guidance"] for point in lines["both"]] == [1, 2]
    text = (tmp_path / "encoders.md").read_text()
    assert "`clip_text` is filled by letter counts" in text and "| long | both | 2 |" in text
    assert (tmp_path / "encoders-short.svg").exists() and (tmp_path / "encoders-long.svg").exists()
    before = (tmp_path / "encoders.json").read_bytes()
    encoders(ctx, SMALL)  # nothing is drawn again
    assert (tmp_path / "encoders.json").read_bytes() == before


def test_a_model_without_clip_says_so(grid: Grid, cache: Path, tmp_path: Path) -> None:
    record = encoders(context(grid, cache, tmp_path), SMALL)
    assert record["impossible"] == ["clip_text", "both"]
    text = (tmp_path / "encoders.md").read_text()
    assert "**The comparison is not possible**: the model has no encoder for clip_text" in text


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


def test_canonical_fid_and_clip_score(tmp_path: Path, clip_folder: Path) -> None:
    captions = coco(tmp_path, 6)
    torch.manual_seed(0)
    torch.save(InceptionV3().state_dict(), tmp_path / "w.pth")
    settings = CanonicalSettings.of(
        captions=captions,
        images=tmp_path,
        weights=tmp_path / "w.pth",
        clip=clip_folder,
        num_images=5,
        stage=64,
    )
    runs = []
    for _ in range(2):  # the second draws nothing
        record = evaluate_captions(
            tiny_cascade(),
            tiny_cascade,
            settings,
            tmp_path / "out",
            processes=1,
            report=lambda what, more, total: None,
        )
        del record["timestamps"]
        runs.append(record)
    assert runs[0] == runs[1]
    point = runs[0]["curve"][0]
    assert point["fid"] > 0 and 0 <= point["clip_score"]["mean"] <= 100
    assert runs[0]["protocol"]["inception_resize"] == "legacy-tf to 299 px"


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
        CanonicalSettings.of(captions=path, images=tmp_path)
