"""Audits of imported shards and of the pictogram grid: counts, policies, pages, Croissant."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import mlcroissant
import pytest
from etils import epath
from helpers.cli import run as ediffi
from helpers.collections import good, picture
from helpers.collections import run as import_

from ediffi.data.audit import Audit, audit
from ediffi.data.entries import ShardEntries
from ediffi.data.filters import Filters
from ediffi.data.policy import Policy
from ediffi.pictogram.entries import GridEntries
from ediffi.pictogram.grid import Grid

CAPTIONS = (
    "a woman doctor", "a man doctor", "a doctor with dark skin", "a farmer", "a cat", "an old man",
    "a <script>alert(1)</script> rocket",
)  # fmt: skip


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven pictures and a brighter copy of one; two licences, one unknown."""
    target = tmp_path_factory.mktemp("audit") / "shards"
    folder = target.parent / "pictures"
    folder.mkdir()
    for number, caption in enumerate(CAPTIONS):
        good(folder, number, caption)
    copy = picture(0).point(lambda level: min(255, level + 2))
    copy.save(folder / "copy.png")
    licence = {"caption": "a woman doctor", "licence": "shareware", "source": "somewhere"}
    (folder / "copy.json").write_text(json.dumps(licence))
    import_(folder, target, licence="cc-by-4.0", filters=Filters(duplicates="exact"))
    return target


@pytest.fixture(scope="module")
def report(shards: Path) -> Path:
    """What the command writes of them."""
    assert ediffi("data", "audit", shards, "-o", shards.parent / "report") == 0
    return shards.parent / "report"


@pytest.fixture(scope="module")
def audited(shards: Path) -> Audit:
    return audit(ShardEntries(shards), Policy())


def test_counts(audited: Audit) -> None:
    assert audited.pictures == 8 and audited.violations == ()
    licences = {row.spdx: (row.written, row.pictures) for row in audited.licences}
    assert licences == {"CC-BY-4.0": (("cc-by-4.0",), 7), None: (("shareware",), 1)}
    assert {row.source: row.pictures for row in audited.sources} == {"test": 7, "somewhere": 1}
    assert sum(row.share for row in audited.sources) == pytest.approx(1)
    assert audited.sides is not None and audited.sides.counts == {80: 8}
    assert audited.captions is not None and audited.captions.most == 5


def test_look_alikes(audited: Audit) -> None:
    assert audited.near_pairs == 1 and audited.near_share == 1 / 8
    assert {Path(name).stem for name in audited.near[0]} == {"good-0", "copy"}


def test_people(audited: Audit) -> None:
    people = audited.people
    assert people.pictures == 6
    assert people.values["presentation"] == {"woman": 2, "man": 2, "unstated": 2}
    assert people.roles["doctor"]["presentation"] == {"woman": 2, "man": 1, "unstated": 1}
    assert people.roles["doctor"]["skin"] == {"unstated": 3, "dark": 1}
    assert people.values["age"] == {"unstated": 5, "older": 1}


def test_a_policy_refuses_unknown_licences(
    shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text('[licences]\nallow = ["CC-BY-4.0"]\n')
    assert ediffi("data", "audit", shards, "--policy", policy) == 1
    assert "licence unknown ('shareware') is not allowed: 1 pictures" in capsys.readouterr().out
    policy.write_text(
        '[licences]\nallow = ["CC-BY-4.0", "LicenseRef-s"]\nnames = {shareware = "LicenseRef-s"}\n'
        '[pictures]\nrefused_sources = ["somewhere"]\nmin_side = 100\nmax_near_duplicates = 0.1\n'
    )
    assert ediffi("data", "audit", shards, "--policy", policy, "--json") == 1
    found = json.loads(capsys.readouterr().out)["violations"]
    assert len(found) == 3 and "source 'somewhere' is refused: 1 pictures" in found
    policy.write_text("")
    assert ediffi("data", "audit", shards, "--policy", policy) == 0


def test_the_report_is_a_page(report: Path) -> None:
    page = (report / "index.html").read_text()
    assert "<script>" not in page and "&lt;script&gt;" in page
    for name in ("sources.svg", "numbers.svg", "people.svg", "roles.svg", "near.png"):
        assert f'src="{name}"' in page and (report / name).stat().st_size > 500
    assert json.loads((report / "audit.json").read_text())["people"]["pictures"] == 6


def test_croissant_reads_the_captions(
    shards: Path, report: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the library that others read it with; the file lies beside the shards."""
    cache = epath.Path(tmp_path / "extracted")  # else it takes any 000000.tar that it has seen
    place = "mlcroissant._src.operation_graph.operations.extract.EXTRACT_PATH"
    monkeypatch.setattr(place, cache)
    folder = shutil.copytree(shards, tmp_path / "shared")
    described = shutil.copy(report / "croissant.json", folder)
    dataset = mlcroissant.Dataset(jsonld=described)
    said = {row["pictures/caption"].decode() for row in dataset.records("pictures")}
    assert said == set(CAPTIONS)
    biases = " ".join(dataset.metadata.data_biases or [])
    assert "presentation: woman 2, man 2; unstated 2" in biases
    assert "8 of 8 pictures" in str(dataset.metadata.data_collection)


def test_the_grid_is_audited(grid: Grid, tmp_path: Path) -> None:
    entries = GridEntries([grid])
    found = audit(entries, Policy())
    assert found.pictures == len(grid.cells) and set(found.styles) == set(grid.styles)
    assert {row.attribution for row in found.sources} == {"made by a test"}
    assert found.sides is not None  # of the style that is a raster
    assert found.vectors + sum(found.sides.counts.values()) == found.pictures
    assert ediffi("data", "audit", "pictogram", "--cache", grid.path, "-o", tmp_path / "out") == 0
    described = shutil.copy(tmp_path / "out" / "croissant.json", grid.path)
    rows = list(mlcroissant.Dataset(jsonld=described).records("pictures"))
    assert {(r["pictures/hexcode"].decode(), r["pictures/style"].decode()) for r in rows} == set(
        grid.cells
    )


def test_what_is_no_collection(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ediffi("data", "audit", tmp_path) == 2
    assert "is no folder of shards" in capsys.readouterr().err
    assert ediffi("data", "audit", tmp_path, "--variants") == 2
    assert "--variants belongs to pictogram" in capsys.readouterr().err
