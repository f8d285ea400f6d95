"""Programs that use the package are checked by mypy and pyright as strictly as they can."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from mypy import api

PROJECT = Path(__file__).parent.parent
GOOD = sorted((PROJECT / "tests" / "examples").glob("*.py"))
WRONG = """
import ediffi
cascade = ediffi.Cascade.from_pretrained("pictogram")
picture: int = cascade.generate("a fox")
pictures: int = cascade("a fox", output="pil")
cascade.generate("a fox", colour=1)
cascade.generate("a fox", seeds="x")
cascade.vary("fox.png", use=["t5"])
cascade.paint("a fox")
ediffi.save(3, "fox.png")
ediffi.nonsense
"""


def test_examples_are_right_and_mistakes_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(PROJECT)
    wrong = tmp_path / "wrong.py"
    wrong.write_text(WRONG)
    out, err, _ = api.run(["--strict", "--no-pretty", *map(str, [*GOOD, wrong])])
    errors = [line for line in out.splitlines() if ": error: " in line]
    assert err == "" and len(GOOD) == 3
    assert [line for line in errors if "wrong.py" not in line] == []
    found = {int(line.split(":")[1]) for line in errors}
    assert found == set(range(4, 12)), out


@pytest.mark.slow
def test_examples_under_pyright(tmp_path: Path) -> None:
    pytest.importorskip("pyright", reason="pip install 'pyright[nodejs]'")
    for example in GOOD:
        shutil.copy(example, tmp_path)
    (tmp_path / "wrong.py").write_text(WRONG)
    config = {"typeCheckingMode": "strict", "extraPaths": [str(PROJECT / "src")]}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(config))
    checked = subprocess.run(
        [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    errors = [
        e for e in json.loads(checked.stdout)["generalDiagnostics"] if e["severity"] == "error"
    ]
    assert [e for e in errors if not e["file"].endswith("wrong.py")] == []
    found = {e["range"]["start"]["line"] + 1 for e in errors}
    assert found >= set(range(4, 12)), errors
