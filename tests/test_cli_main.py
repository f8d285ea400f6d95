"""The command as a process: lazy imports, help, exit codes."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import ediffi
from ediffi.cli.main import main


def process(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *args], capture_output=True, text=True, timeout=60)


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from ediffi.cli.main import main; main(['--help'])\n"
        "heavy = {'torch', 'transformers', 'numpy', 'pydantic'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = process("-c", code)
    assert done.returncode == 0, done.stderr
    for command in ("generate", "info", "data", "train", "evaluate", "compare", "experiment"):
        assert command in done.stdout


@pytest.mark.parametrize("group", [[], ["train"], ["data"], ["bench"], ["experiment"]])
def test_a_group_alone_shows_its_help(group: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(group) == 0
    out, err = capsys.readouterr()
    assert "Usage: ediffi" in out and err == ""


def test_exit_code_and_one_line() -> None:
    done = process("-m", "ediffi.cli.main", "generate", " ")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: the prompt is empty") and done.stderr.count("\n") == 1


def test_public_names_are_lazy() -> None:
    code = "import sys, ediffi; assert 'torch' not in sys.modules; ediffi.UserError"
    assert process("-c", code).returncode == 0
    for name in ediffi.__all__:
        assert getattr(ediffi, name) is not None
    assert not hasattr(ediffi, "nonsense")


def test_version_is_the_package_version() -> None:
    project = Path(__file__).parent.parent / "pyproject.toml"
    assert re.search(rf'^version = "{ediffi.__version__}"$', project.read_text(), re.M)
