"""Pictures whose owners opted out: kept out of builds and imports, and looked for in them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from helpers.cli import run as ediffi
from helpers.collections import good, kept
from helpers.collections import run as import_
from tiny_grid import write_packages

from ediffi.core.errors import UserError
from ediffi.data.exclusions import Exclusions
from ediffi.pictogram.build import build, is_built
from ediffi.pictogram.grid import Grid


def listed(folder: Path, *lines: str) -> Path:
    path = folder / "opted-out.txt"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_list_is_read(tmp_path: Path) -> None:
    path = listed(tmp_path, "# asked for by mail", "source: shop", "", "picture: 1F98A/noto # fox")
    found = Exclusions.read(path)
    assert found.lines == ["picture: 1F98A/noto", "source: shop"]
    assert found.excluding(source="shop 1.2.0") == "source: shop"
    assert found.excluding(source="shops", picture="1F98A/twemoji") is None


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "excludes nothing"),
        ("fox", "line 1: 'fox' is no exclusion"),
        ("colour: red", "'colour"),
    ],
)
def test_a_list_that_says_nothing(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        Exclusions.read(listed(tmp_path, text))


def test_a_build_leaves_them_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    archives, target = tmp_path / "archives", tmp_path / "grid"
    packages = write_packages(archives)
    options = {"source": archives, "packages": packages, "workers": 1}
    build(target, **options)
    whole = Grid.load(target)
    path = listed(tmp_path, "picture: 1F98A/noto", "concept: rocket", "source: @tiny/emojione")
    assert ediffi("data", "absent", path, "pictogram", "--cache", target) == 1
    out = capsys.readouterr().out
    assert "1F98A/noto  (picture: 1F98A/noto)" in out and "pictogram: " in out
    asked = Exclusions.read(path)
    assert not is_built(target, packages, exclude=asked)
    build(target, exclude=asked, **options)
    assert is_built(target, packages, exclude=asked) and not is_built(target, packages)
    grid = Grid.load(target)
    assert grid.fingerprint != whole.fingerprint
    gone = set(whole.cells) - set(grid.cells)
    assert gone == {key for key in whole.cells if key == ("1F98A", "noto") or
                    key[0] == "1F680" or key[1] == "emojione"}  # fmt: skip
    assert ediffi("data", "absent", path, "pictogram", "--cache", target) == 0
    assert "none of it is there" in capsys.readouterr().out


def test_an_import_leaves_them_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pictures = tmp_path / "pictures"
    files = [good(pictures, number) for number in range(4)]
    whole, part = tmp_path / "whole", tmp_path / "part"
    import_(pictures, whole)
    digest = hashlib.sha256(files[2].read_bytes()).hexdigest()
    name = next(name for name in kept(whole) if "good-1" in name)
    path = listed(tmp_path, f"sha256: {digest}", f"picture: {name}")
    assert ediffi("data", "import", pictures, "-o", part, "--exclude", path) == 0
    assert {Path(name).stem for name in kept(part)} == {"good-0", "good-3"}
    assert '"reason": "excluded"' in (part / "dropped.jsonl").read_text()
    capsys.readouterr()
    assert ediffi("data", "absent", path, part, whole) == 1
    out = capsys.readouterr().out
    assert f"{part}: none of it is there" in out and f"{whole}: 2 found" in out


def test_a_models_sources(model_folder: Path, tmp_path: Path) -> None:
    path = listed(tmp_path, "source: @iconify-json/noto")
    assert ediffi("data", "absent", path, model_folder) == 0
    shipped = Path(__file__).parent.parent / "src" / "ediffi" / "models" / "pictogram"
    assert ediffi("data", "absent", path, shipped) == 1
    assert ediffi("data", "absent", path, tmp_path / "nowhere") == 2
