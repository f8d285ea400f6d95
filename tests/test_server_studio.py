"""The studio's files, without a browser: what is served, and where it comes from."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest

pytest.importorskip("fastapi")

from fastapi import FastAPI
from fastapi.testclient import TestClient

from ediffi.server import studio

PAGE = Path(studio.__file__).parent / "page"
FILES = [path for path in sorted(PAGE.rglob("*")) if path.is_file()]
OURS = [path for path in FILES if "vendor" not in path.parts]


@pytest.fixture(scope="module")
def client() -> TestClient:
    app = FastAPI()
    studio.mount(app)
    return TestClient(app)


def test_vendored_files_are_those_of_the_manifest() -> None:
    manifest = json.loads((PAGE / "vendor/manifest.json").read_text())
    found = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in FILES
        if "vendor" in path.parts and path.name != "manifest.json"
    }
    assert found == {entry["file"]: entry["sha256"] for entry in manifest}
    for entry in manifest:
        assert re.fullmatch(r"\d+\.\d+\.\d+", entry["version"])
        assert f"{entry['package']}.LICENSE" in found


def test_only_its_own_scripts_may_run(client: TestClient) -> None:
    for path in ("/", "/studio/js/app.js", "/studio/vendor/preact.js"):
        answer = client.get(path)
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    inline = re.findall(r"<(?:script|style)(?![^>]*\bsrc=)[^>]*>", client.get("/").text)
    assert inline == ['<script type="importmap">']


def test_every_file_is_served_as_what_it_is(client: TestClient) -> None:
    kinds = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
    for path in FILES:
        answer = client.get(f"/studio/{path.relative_to(PAGE)}")
        assert answer.content == path.read_bytes()
        if path.suffix in kinds:
            assert answer.headers["Content-Type"].split(";")[0] == kinds[path.suffix]
    again = client.get("/studio/js/app.js", headers={"If-None-Match": _etag(client)})
    assert again.status_code == 304


def test_no_file_outside_its_folder(client: TestClient) -> None:
    for path in ("../__init__.py", "%2e%2e/__init__.py", "js/../../pages.py", "nothing.js"):
        assert client.get(f"/studio/{path}").status_code == 404


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.name)
def test_nothing_is_loaded_from_elsewhere(path: Path) -> None:
    text = path.read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
    assert re.findall(r"https?://|\beval\(|innerHTML|dangerouslySet", text) == []


def test_the_import_map_names_files_that_are_there() -> None:
    page = (PAGE / "index.html").read_text()
    named = re.findall(r'"(/studio/[^"]+)"', page)
    assert named
    assert [name for name in named if not (PAGE / name.removeprefix("/studio/")).is_file()] == []


def _etag(client: TestClient) -> str:
    return client.get("/studio/js/app.js").headers["ETag"]
