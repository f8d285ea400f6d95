"""`ediffi data`, on the tiny grid."""

from __future__ import annotations

import resource
import signal
from pathlib import Path

import pytest
from PIL import Image
from tiny_grid import tiny_grid
from typer.testing import CliRunner

from ediffi.cli.data import app
from ediffi.cli.main import main
from ediffi.core.errors import UserError
from ediffi.pictogram.build import build
from ediffi.pictogram.composer import Composer, SceneConfig
from ediffi.pictogram.grid import Grid


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, arguments, catch_exceptions=True)
    if isinstance(result.exception, UserError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def test_compose_writes_a_sheet_of_the_composers_scenes(grid: Grid, tmp_path: Path) -> None:
    out = tmp_path / "sheet.png"
    options = ("--all", "--style", "noto", "--num-images", "3", "--size", "48", "--seed", "4")
    output = run("compose", *options, "--cache", str(grid.path), "-o", str(out))
    assert "3 scenes" in output
    source = Composer(grid, SceneConfig(seed=4, styles=("noto",)))
    with Image.open(out) as sheet:
        first = sheet.crop((8, 8, 56, 56))
        assert first.tobytes() == source.render(source.scene(0), 48).tobytes()


def test_compose_without_a_grid_or_into_nowhere(grid: Grid, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="run: ediffi data build pictogram"):
        run("compose", "--cache", str(tmp_path))
    for bad in ("missing/sheet.png", "sheet.nonsense"):
        with pytest.raises(UserError, match="cannot write"):
            run("compose", "--all", "--style", "noto", "--num-images", "1",
                "--cache", str(grid.path), "-o", str(tmp_path / bad))  # fmt: skip


def test_build_knows_its_data_sets(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no data set 'photos': known are pictogram"):
        run("build", "photos", "--cache", str(tmp_path))


def test_build_from_a_folder_without_packages_names_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"has no iconify-json-noto-1\.2\.9\.tgz"):
        run("build", "pictogram", "--from", str(tmp_path), "--cache", str(tmp_path / "cache"))
    assert not list((tmp_path / "cache").rglob("*.json"))


def test_a_cache_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    cache = str(tmp_path / "file" / "cache")
    for command in (["build", "pictogram", "--from", str(tmp_path)], ["compose"]):
        assert main(["data", *command, "--cache", cache]) == 2
        err = capsys.readouterr().err
        assert "Not a directory" in err and cache in err and "Traceback" not in err


def test_a_full_disk(tmp_path: Path) -> None:
    """Every byte beyond the limit is refused, as by a full disk; what was there stays."""
    grid = tiny_grid(tmp_path)
    before = {file: file.read_bytes() for file in grid.path.iterdir() if file.is_file()}
    ordinary = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, ordinary[1]))
    try:
        with pytest.raises(UserError, match=r"cannot build the grid in .*File too large"):
            build(grid.path, packages=grid.packages, workers=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, ordinary)
        signal.signal(signal.SIGXFSZ, handler)
    assert {file: file.read_bytes() for file in grid.path.iterdir() if file.is_file()} == before
