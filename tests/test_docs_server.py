"""The examples for curl on the server's page work as they stand."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from helpers.serving import served
from PIL import Image

PAGE = Path(__file__).parent.parent / "docs" / "server.md"
ADDRESS = "http://127.0.0.1:8188"


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl here")
def test_the_examples_for_curl(whole_folder: Path, tmp_path: Path, here: Path) -> None:
    text = PAGE.read_text()
    generate, edit, jobs = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    Image.new("RGB", (64, 64), "red").save("fox.png")
    with served(whole_folder, tmp_path / "data") as server:

        def run(block: str) -> list[str]:
            script = block.replace(ADDRESS, server.url)
            done = subprocess.run(
                ["bash", "-euc", script], capture_output=True, text=True, check=True, timeout=300
            )
            return done.stdout.splitlines()

        answer = json.loads(run(generate)[-1])
        assert len(answer["data"]) == 2 and answer["size"] == "256x256"
        assert json.loads(run(edit)[-1])["data"][0]["url"].startswith(server.url)
        lines = run(jobs)
        assert "event: done" in lines
        assert '"status":"done"' in lines[-1] or any('"status":"done"' in line for line in lines)
        assert '"prompts":["a red fox"]' in lines[-1]
        assert Image.open("fox.png").size == (64, 64)
        assert server.http.get("/v1/jobs").json()["jobs"][0]["num_pictures"] == 1  # the edit's
