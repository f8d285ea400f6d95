"""What the instrument says of real pictures, on a tiny grid and on the real one."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.evaluation import evaluation

from ediffi.evaluate.evaluation import Evaluation, Settings
from ediffi.evaluate.features import EFFICIENTNET
from ediffi.evaluate.gallery import Subject
from ediffi.pictogram.grid import Grid
from studies.instrument import DEGRADED, check, check_table

pytestmark = pytest.mark.usefixtures("quick_judges")


def test_the_instrument_on_the_tiny_grid(
    grid: Grid,
    cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    strong = {kind: dict([*levels.items()][-1:]) for kind, levels in DEGRADED.items()}
    monkeypatch.setattr("studies.instrument.DEGRADED", strong)
    asked = evaluation(grid, cache, tmp_path, EFFICIENTNET, num_images=16)
    rows = {row["pictures"]: row for row in check(asked)}
    names = list(rows)
    for kind in DEGRADED:
        (worst,) = (row["fd"] for name, row in rows.items() if name.startswith(kind))
        assert rows[names[0]]["fd"] < worst
    shuffled = [row["match"] for name, row in rows.items() if "exchanged" in name]
    assert rows[names[0]]["match"] > shuffled[0] > shuffled[1] > shuffled[2]
    planted = rows["planted copies of training drawings"]["memorised"]
    assert planted > 0.6 and planted > rows["held-out drawings"]["memorised"]
    assert "disjoint halves" in check_table(list(rows.values()))


@pytest.mark.slow
def test_the_instrument_on_the_real_grid(tmp_path: Path) -> None:
    """Minutes. Everything that `python -m studies instrument` prints, held to what it must say."""
    subject = Subject.open("pictogram", tmp_path)
    rows = check(Evaluation.open(Settings(num_images=300), subject))
    by_name = {row["pictures"]: row for row in rows}
    floor, grid_halves = rows[0]["kid"], by_name["disjoint halves of the whole grid"]["kid"]
    assert floor["low"] <= 0 <= floor["high"] or floor["value"] < 1
    for kind in ("blur", "noise", "JPEG"):
        levels = [row["kid"]["value"] for row in rows if row["pictures"].startswith(kind)]
        assert max(floor["value"], 0) < levels[0] < levels[1] < levels[2]
        assert levels[-1] > grid_halves["high"]
    shuffled = [row for row in rows if "exchanged" in row["pictures"]]
    matches = [rows[0]["match"], *(row["match"] for row in shuffled)]
    assert matches == sorted(matches, reverse=True)
    assert shuffled[-1]["concept"] < 0.05 and shuffled[-1]["own_caption_first"] < 0.05
    assert by_name["planted copies of training drawings"]["memorised"] > 0.9
    assert by_name["held-out drawings"]["memorised"] < 0.1
