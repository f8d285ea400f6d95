"""Whatever is sent, the server answers below 500, keeps to its folder and to its memory."""

from __future__ import annotations

import base64
import io
import json
import resource
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
import schemathesis
from helpers.serving import Served, served
from hypothesis import HealthCheck, settings
from PIL import Image
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from ediffi.server.settings import Limits

HEADERS = {"Host": "127.0.0.1"}
SMALL = Limits(pictures=2, pixels=1_000_000, steps=2, body=2**20, queue=(1000, 1000))
BODIES = 10_000


@pytest.fixture(scope="module")
def server(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("hostile") / "data"
    with served(model_folder, folder, limits=SMALL) as server:
        yield server


@pytest.fixture
def api_schema(server: Served) -> Any:
    return schemathesis.openapi.from_url(f"{server.url}/openapi.json")


schema = schemathesis.pytest.from_fixture("api_schema")


@pytest.mark.slow
@schema.parametrize()
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_document_is_kept(case: Any) -> None:
    """Answers are of the statuses, types and shapes that the OpenAPI document has."""
    if case.path.endswith("/events"):
        case.path_parameters = {"job": "none"}  # one that exists would be followed to its end
    case.call_and_validate(
        headers=HEADERS,
        checks=[
            not_a_server_error,
            status_code_conformance,
            content_type_conformance,
            response_schema_conformance,
        ],
        timeout=60,
    )


def png(width: int, height: int) -> str:
    out = io.BytesIO()
    Image.new("RGB", (width, height), "red").save(out, "PNG")
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()


VALUES: list[Callable[[Random], Any]] = [
    lambda chance: None,
    lambda chance: chance.choice([True, False]),
    lambda chance: chance.choice([0, -1, 1, 2**31, 2**63, -(2**64), 10**40, 1e308, 0.5]),
    lambda chance: chance.choice([float("nan"), float("inf"), -0.0]),
    lambda chance: chance.choice(
        ["", "a cat", "\x00", "\ud800", "🦊" * 50, "a " * 1500, "a" * 9000]
    ),
    lambda chance: chance.choice(["../../etc/passwd", "/etc/passwd", "file:///etc/passwd"]),
    lambda chance: chance.choice(["data:", "data:image/png;base64,", "data:x;base64,AAAA"]),
    lambda chance: chance.choice([png(8, 8), png(1, 1), png(900, 900), png(3000, 3000)]),
    lambda chance: [],
    lambda chance: {},
    lambda chance: [value(chance) for _ in range(chance.randrange(5))],
    lambda chance: {"pictures": [png(8, 8)] * chance.randrange(40), "weights": [value(chance)]},
    lambda chance: {"regions": [{"phrase": "cat", "box": [value(chance)] * 4}]},
    lambda chance: {"regions": [{"phrase": value(chance), "mask": value(chance)}], "map": "x"},
    lambda chance: {"regions": [{"phrase": "cat", "box": [0, 0, 1, 1]}] * chance.randrange(70)},
]


def value(chance: Random) -> Any:
    return chance.choice(VALUES)(chance)


FIELDS = {
    "/v1/jobs": "prompts seeds num_images stop_at start_from num_steps guidance_scale sampler use "
    "style style_strength style_stages regions looks anyway tile dtype zorp",
    "/v1/images/generations": "prompt model n size quality output_format output_compression stream "
    "partial_images seed steps guidance sampler regions style style_strength anyway svg",
    "/sdapi/v1/txt2img": "prompt seed batch_size n_iter width height steps cfg_scale sampler_name",
    "/v1/understand": "prompt",
    "/v1/attention": "id n",
}


SMALLEST: dict[str, dict[str, Any]] = {
    "/v1/jobs": {"prompts": ["a cat"], "stop_at": 16},
    "/v1/images/generations": {"prompt": "a cat", "size": "16x16"},
    "/sdapi/v1/txt2img": {"prompt": "a cat", "width": 16, "height": 16},
    "/v1/understand": {"prompt": "a cat"},
    "/v1/attention": {"id": "a" * 32},
}


def body(chance: Random, path: str) -> bytes:
    """JSON of the path's fields, most of them wrong, or not even JSON."""
    fields = FIELDS[path].split()
    asked = {name: value(chance) for name in chance.choices(fields, k=chance.randrange(1, 4))}
    if chance.random() < 0.7:
        asked = {**SMALLEST[path], **asked}
    text = json.dumps(asked).encode("utf-8", "surrogatepass")
    if chance.random() < 0.1:
        cut = chance.randrange(len(text))
        text = text[:cut] + bytes([chance.randrange(256)]) + text[cut + chance.randrange(3) :]
    return text


def bombard(server: Served, num: int, seed: int) -> dict[int, int]:
    """Send bodies; how often each status came."""
    chance, statuses = Random(seed), dict[int, int]()
    paths = [*FIELDS, "/v1/settings", "/v1/images/edits"]
    for _ in range(num):
        path = chance.choice(paths)
        if path in FIELDS:
            sent: dict[str, Any] = {"content": body(chance, path)}
            sent["headers"] = {"Content-Type": "application/json"}
        elif path == "/v1/settings":
            sent = {"content": chance.randbytes(chance.randrange(300))}
        else:
            sent = {"files": {"image": chance.randbytes(9)}, "data": {"prompt": "a cat"}}
        answer = server.http.post(path, **sent)
        statuses[answer.status_code] = statuses.get(answer.status_code, 0) + 1
        assert answer.status_code < 500, (path, sent, answer.text)
        if answer.status_code >= 400:
            assert answer.json()["error"]["message"], (path, sent)
        elif path == "/v1/jobs" and chance.random() < 0.9:
            server.http.delete(answer.headers["location"])
    return statuses


def outside(folder: Path) -> set[Path]:
    """All files beside the data folder."""
    return {path for path in folder.parent.rglob("*") if folder not in (path, *path.parents)}


def test_hostile_bodies(server: Served) -> None:
    statuses = bombard(server, 150, seed=1)
    assert statuses[400] > 75 and server.http.get("/healthz").text == "ok"


@pytest.mark.slow
def test_ten_thousand_hostile_bodies(server: Served) -> None:
    folder = server.app.state.service.settings.data
    before = outside(folder)
    bombard(server, BODIES // 10, seed=2)
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    bombard(server, BODIES - BODIES // 10, seed=3)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - size  # kB, of the peaks
    assert outside(folder) == before
    assert grown < 200_000
    told = server.ended(server.job(prompts=["a cat"], stop_at=16)["id"])
    assert told["status"] == "done"
