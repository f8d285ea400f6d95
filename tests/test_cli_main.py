"""The command as a process: instant help, lazy imports, exit codes."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

import ediffi


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
    for command in ("generate", "info", "data", "train", "evaluate"):
        assert command in done.stdout


def test_help_is_quick() -> None:
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        assert process("-m", "ediffi.cli.main", "--help").returncode == 0
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 1.0  # 0.5 on a quiet machine


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
