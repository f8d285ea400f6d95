"""Two models side by side, on tiny ones."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from helpers.evaluation import evaluation, tiny_cascade

from ediffi.evaluate.comparison import compare
from ediffi.evaluate.gallery import Subject
from ediffi.model import Cascade
from ediffi.pictogram.grid import Grid

pytestmark = pytest.mark.usefixtures("quick_judges")


def other_cascade() -> Cascade:
    cascade = tiny_cascade()
    cascade.hash = "1" * 64
    return cascade


def test_the_page_needs_nothing_but_itself(
    grid: Grid, cache: Path, clip_folder: Path, tmp_path: Path
) -> None:
    first = evaluation(grid, cache, tmp_path, clip_folder, num_images=12)
    record = compare(first, Subject(other_cascade(), other_cascade, tmp_path))
    page = (tmp_path / "index.html").read_text()
    assert page.count("<img") == 24 and page.count("data:image/webp;base64,") == 24
    assert not re.findall(r'(?:src|href)="(?!data:)', page) and "http" not in page
    assert all(hash_[:12] in page for hash_ in ("0" * 64, "1" * 64))
    figures = record["figures"]
    assert figures["match_difference"]["value"] == 0  # the same network under two names
    assert figures["concept"][0] == figures["concept"][1]
    assert json.loads((tmp_path / "compare.json").read_text()) == record


def test_own_prompts_are_escaped(
    grid: Grid, cache: Path, clip_folder: Path, tmp_path: Path
) -> None:
    texts = ["a <b>fox</b> & a rocket"] * 4 + ["an owl"] * 4
    second = Subject(tiny_cascade(), tiny_cascade, tmp_path)
    record = compare(evaluation(grid, cache, tmp_path, clip_folder), second, texts)
    page = (tmp_path / "index.html").read_text()
    assert "a &lt;b&gt;fox&lt;/b&gt; &amp; a rocket" in page and "<b>" not in page
    assert set(record["figures"]) == {"match_cosine", "match_difference", "b_fits_better"}
