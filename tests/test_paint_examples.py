"""The example folder's commands are run as they stand, on a tiny model."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import pytest

from ediffi.cli.main import main
from ediffi.output import read_parameters

FOLDER = Path(__file__).parent.parent / "docs" / "examples" / "paint"
COMMANDS = [
    shlex.split(line)[1:]
    for line in (FOLDER / "README.md").read_text().splitlines()
    if line.startswith("    ediffi ")
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[-1])
@pytest.mark.filterwarnings("ignore::ediffi.core.errors.Notice")
def test_command(
    command: list[str], model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = Path(shutil.copytree(FOLDER, tmp_path / "paint"))
    monkeypatch.chdir(here)
    assert main([*command, "-m", str(model_folder), "--stop-at", "16", "--anyway"]) == 0
    regions = read_parameters(here / command[-1])["regions"]
    assert len(regions) >= 2 and all(0.02 < region["share"] < 0.4 for region in regions)


def test_there_are_three_maps_and_a_list() -> None:
    assert len(COMMANDS) == 4
