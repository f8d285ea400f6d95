"""The protocol `style`: its prompts, its judges on real pictures, and a run on a tiny model."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_grid import STYLES

from ediffi.cli.main import main
from ediffi.core.errors import UserError
from ediffi.evaluate.gallery import Subject
from ediffi.evaluate.heads import LinearHead
from ediffi.pictogram.drawings import draw, real_picture
from ediffi.pictogram.grid import Grid
from ediffi.pictogram.render import Renderer
from studies.__main__ import app
from studies.rows import write_rows
from studies.style_judge import Eyes, Seen, StyleJudges
from studies.style_rows import STYLE_PROMPTS, StylePrompt, style_prompts
from studies.style_transfer import looks, run, shuffled


@pytest.fixture(scope="module")
def rows(grid: Grid) -> list[StylePrompt]:
    return style_prompts(grid, num=2)


def test_prompts_and_references(grid: Grid, rows: list[StylePrompt], tmp_path: Path) -> None:
    assert [row.style for row in rows] == list(STYLES) * 2
    assert len({row.prompt for row in rows}) == 2 and len({row.seed for row in rows}) == len(rows)
    for row in rows:
        assert row.reference != row.hexcode and row.picture(grid).cell.style == row.style
        assert row.held_out == grid.cells[row.reference, row.style].held_out
        assert not any(style in row.prompt for style in STYLES)
    path = tmp_path / "rows.jsonl"
    write_rows(path, rows)
    assert StylePrompt.read(path) == rows == style_prompts(grid, num=2)
    path.write_text('{"prompt": "a fox"}\n')
    with pytest.raises(UserError, match=r"rows\.jsonl is no list of prompts with references"):
        StylePrompt.read(path)


def test_the_committed_list_never_shows_what_was_trained_on() -> None:
    rows = StylePrompt.read(STYLE_PROMPTS)
    assert len(rows) == 132 and len({row.style for row in rows}) == 11
    assert all(row.held_out for row in rows)
    assert all(row.reference != row.hexcode for row in rows)


def test_eyes_tell_outlines_from_shading_whatever_is_shown(grid: Grid) -> None:
    """A head on a few drawings of two styles knows the styles of other drawings."""
    see, renderer = Eyes(), Renderer(grid)
    cells = [c for c in grid.cells.values() if c.style in ("emojione", "emojione-monotone")]
    pictures = draw(renderer, [real_picture(c, size=64, seed="x") for c in cells])
    look = see(pictures).look
    assert look.shape[0] == len(cells) and torch.allclose(look[:1], see(pictures[:1]).look, 1e-3)
    look = (look - look.mean(0)) / (look.std(0) + 1e-5)
    hexcodes = sorted({cell.hexcode for cell in cells})
    fit = [n for n, cell in enumerate(cells) if cell.hexcode in hexcodes[::2]]
    rest = [n for n in range(len(cells)) if n not in fit]
    head = LinearHead.fit(look[fit], [cells[n].style for n in fit])
    hits = head.hits(look[rest], [cells[n].style for n in rest])
    assert np.mean(hits) > 0.8


def test_eyes_do_not_take_grain_for_a_style(grid: Grid) -> None:
    """Grain that nobody sees moves what a style is judged by far less than another drawing does.
    (Of pictures as they are it moves it by 1.2 of their deviations.)"""
    see, rng = Eyes(), np.random.default_rng(0)
    cells = [c for c in grid.cells.values() if c.style == "noto"]
    pictures = draw(Renderer(grid), [real_picture(c, size=64, seed="x") for c in cells])
    grainy = [
        np.clip(np.rint(p + rng.normal(0, 2, p.shape)), 0, 255).astype(np.uint8) for p in pictures
    ]
    plain, rough = see(pictures).look, see(grainy).look
    moved = ((rough - plain) / plain.std(0).clamp_min(1e-5)).square().mean().sqrt()
    assert torch.equal(see(pictures).look, plain)
    assert 0 < moved < 0.5


def test_check_tells_which_judge_stands_grain(
    grid: Grid, rows: list[StylePrompt], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`style-check`, end to end. (That the judge without noise fails is what it found
    of eleven styles; here are four, of few drawings.)"""
    (tmp_path / "pictogram").symlink_to(grid.path)
    monkeypatch.setenv("EDIFFI_CACHE", str(tmp_path))
    path, out = tmp_path / "rows.jsonl", tmp_path / "check"
    write_rows(path, rows)
    asked = ["style-check", "--prompts", str(path), "-o", str(out)]
    monkeypatch.setattr("studies.style_check.LEVELS", (0, 8))
    monkeypatch.setattr("studies.style_check.GRAINS", (0.5, 8))
    assert main(asked, app) == 0
    found = json.loads((out / "style-check.json").read_text())["rows"]
    assert len(found) == 2 * 5 and {row["noise_over_all"] for row in found} == {0, 8}
    plain = [row["right"] for row in found if row["pictures"] == "as they are"]
    assert min(plain) > 1 / len(STYLES)


def test_looks_in_closed_form(rows: list[StylePrompt]) -> None:
    names = list(STYLES)
    judges = StyleJudges(
        see=None,  # type: ignore[arg-type]
        style=LinearHead(torch.eye(4), torch.zeros(4), names),
        concept=LinearHead(torch.eye(2), torch.zeros(2), sorted({r.hexcode for r in rows})),
        accuracy={},
        facts={},
    )
    each = torch.eye(4).repeat(2, 1)
    real = Seen(each, each)
    same = Seen(torch.eye(4)[:1].repeat(8, 1), torch.ones(8, 4))
    found = looks(judges, same, real, rows)
    assert found["real"]["styles_within_prompt"] == pytest.approx(4)
    assert found["real"]["distance_within_prompt"] == pytest.approx(1)
    assert found["drawn"]["styles"] == pytest.approx(1)
    assert found["drawn"]["distance_within_prompt"] == pytest.approx(0, abs=1e-6)
    perfect = LinearHead(torch.eye(4), torch.zeros(4), [row.style for row in rows[:4]])
    perfect_judges = replace(judges, style=perfect)
    twelve = [rows[n % len(rows)] for n in range(12 * len(rows))]
    seen = Seen(each.repeat(12, 1), each.repeat(12, 1))
    assert all(perfect_judges.style_hits(seen, [row.style for row in twelve]))
    assert shuffled(perfect_judges, seen, twelve)["style"]["share"] == pytest.approx(0.25, abs=0.15)
    content = Seen(each, torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    first, second = judges.concept.labels
    assert judges.rather(content, [first, first], [second, second]) == [True, False]


def test_run(
    grid: Grid, rows: list[StylePrompt], whole_folder: Path, model_folder: Path, tmp_path: Path
) -> None:
    path, mine = tmp_path / "rows.jsonl", tmp_path / "mine"
    write_rows(path, rows)
    mine.mkdir()
    Image.new("RGB", (40, 40), "red").save(mine / "poster.png")
    subject = Subject.open(str(whole_folder), tmp_path)
    results = run(subject, path, grid, references=mine, cache_dir=tmp_path / "cache")
    assert json.loads((tmp_path / "style.json").read_text()) == results
    for name in ("style", "roles", "other-references"):
        assert (tmp_path / f"{name}.webp").stat().st_size > 500
    columns = results["columns"]
    strengths = {f"reference, strength {s}" for s in ("0.5", "1", "2")}
    assert set(columns) == {"real", "no reference", "style in words", "shuffled", *strengths}
    # pictures of 16 px tell little, but real drawings tell more than chance
    assert columns["real"]["concept_top5"]["share"] > 5 / 13
    assert columns["shuffled"]["style"]["pictures"] == len(rows)
    assert set(columns["real"]["style_by_style"]) == set(STYLES)
    assert set(results["arms"]) == {"T5 alone", "CLIP text alone", "both"}
    assert results["variations"]["style"]["pictures"] == 3
    folders = list((tmp_path / "pictures").iterdir())
    drawn = [tuple(p.read_bytes() for p in sorted(f.glob("*.png"))) for f in folders]
    assert len(set(drawn)) == len(drawn) == 9  # five columns, two arms, variations, own references
    with pytest.raises(UserError, match="has no clip_image encoder"):
        run(Subject.open(str(model_folder), tmp_path), path, grid)
