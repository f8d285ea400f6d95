"""Models that differ in one thing, side by side."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ediffi.core.errors import UserError
from ediffi.evaluate.arms import write_comparison

NAMES = {"fd": "FD", "clip": "score"}


def record(folder: Path, name: str, shares: tuple[float, ...], num: int = 8) -> Path:
    """Of a model whose pictures are named rightly in these shares, at scales 1, 2, ..."""
    curve = [
        {
            "guidance": scale,
            "fd": {"distance": 10.0 * scale},
            "clip": {"cosine": 0.1 * scale},
            "concept": {"top1": {"share": share}},
        }
        for scale, share in enumerate(shares, 1)
    ]
    of_the_model = {"model": name, "model_hash": name, "images_seen": {"base": len(name)}}
    protocol = {**of_the_model, "num_images": num, "names": NAMES}
    path = folder / f"{name}.json"
    path.write_text(json.dumps({"protocol": protocol, "curve": curve}))
    return path


def test_a_row_has_mean_range_and_distance_from_the_parent(tmp_path: Path) -> None:
    records = {
        "parent": [record(tmp_path, "parent0", (0.5, 0.6)), record(tmp_path, "p1", (0.7, 0.8))],
        "copies": [record(tmp_path, "c0", (0.6, 0.6)), record(tmp_path, "c1", (0.9, 0.8))],
    }
    text = write_comparison(tmp_path, records, {"copies": "experts"})
    rows = [line for line in text.splitlines() if line.startswith("| experts")]
    assert "75 (60 to 90), +15" in rows[0] and "70 (60 to 80), +0" in rows[1]
    assert (tmp_path / "experts.md").read_text() == text + "\n"
    assert (tmp_path / "experts.svg").is_file()
    assert list(json.loads((tmp_path / "experts.json").read_text())["curves"]) == list(records)


def test_other_protocols_do_not_compare(tmp_path: Path) -> None:
    records = {
        "parent": [record(tmp_path, "p", (0.5,))],
        "copies": [record(tmp_path, "c", (0.5,), num=16)],
    }
    with pytest.raises(UserError, match="different protocols"):
        write_comparison(tmp_path, records, {})
