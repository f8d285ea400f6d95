"""Who may ask: no page of another site, nobody without the key, nothing too large."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.cli import run
from helpers.serving import Served, served


@pytest.fixture(scope="module")
def server(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(model_folder, tmp_path_factory.mktemp("data")) as server:
        yield server


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "localhost"}, 200),
        ({"Host": "[::1]:8188"}, 200),
        ({"Host": "rebound.example"}, 403),  # DNS rebinding
        ({"Host": "127.0.0.1.rebound.example:8188"}, 403),
        ({"Host": ""}, 403),
        ({"Host": "[::1"}, 403),
        ({"Origin": "http://["}, 403),
        ({"Host": "127.0.0.1", "Origin": "http://127.0.0.1"}, 200),
        ({"Host": "127.0.0.1:1", "Origin": "http://127.0.0.1:2"}, 403),
        ({"Origin": "https://foreign.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}, 200),
        ({"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"}, 200),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, 403),  # <img src=...>
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, 200),  # a link
    ],
)
def test_whose_page_asks(server: Served, headers: dict[str, str], status: int) -> None:
    assert server.http.get("/v1/models", headers=headers).status_code == status


def test_other_sites_cannot_post_and_get_no_cors(server: Served) -> None:
    foreign = {"Origin": "https://foreign.example"}
    simple = {**foreign, "Content-Type": "text/plain"}
    posted = server.http.post("/v1/jobs", content='{"prompts": "a cat"}', headers=simple)
    form = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert server.http.post("/v1/jobs", content=b"{}", headers=form).status_code == 403
    preflight = {**foreign, "Access-Control-Request-Method": "POST"}
    asked = server.http.options("/v1/jobs", headers=preflight)
    for answer in (posted, asked):
        assert answer.status_code == 403
        assert not [name for name in answer.headers if name.startswith("access-control")]
    assert server.http.get("/v1/jobs").json() == {"jobs": []}


def test_a_key_opens_everything_but_the_page_and_health(model_folder: Path, tmp_path: Path) -> None:
    with served(model_folder, tmp_path, keys=("right",)) as server:
        stranger = {"Authorization": "Bearer wrong"}
        for path in ("/v1/models", "/v1/jobs", "/metrics", "/openapi.json", "/sdapi/v1/options"):
            refused = server.http.get(path, headers=stranger)
            assert refused.status_code == 401 and refused.headers["www-authenticate"] == "Bearer"
            assert refused.json()["error"]["code"] == "invalid_api_key"
            assert server.http.get(path).status_code == 200
        for path in ("/healthz", "/readyz", "/"):
            assert server.http.get(path, headers=stranger).status_code == 200
        elsewhere = {"Host": "pictures.example"}
        assert server.http.get("/v1/models", headers=elsewhere).status_code == 200


def test_a_body_without_a_length_is_cut_off(server: Served) -> None:
    chunks = (bytes(2**20) for _ in range(40))
    answer = server.http.post("/v1/jobs", content=chunks)
    assert answer.status_code == 413 and answer.json()["error"]["code"] == "body_too_large"


def test_errors_have_one_form(server: Served) -> None:
    for answer in (
        server.http.get("/v1/nothing"),
        server.http.put("/v1/jobs"),
        server.http.get("/v1/jobs", params={"limit": "many"}),
        server.http.post("/v1/understand", json={"prompt": ""}),
        server.http.get("/v1/jobs/..%2f..%2fjobs.sqlite/images/0.png"),
    ):
        assert 400 <= answer.status_code < 500
        assert answer.json()["error"].keys() == {"message", "type", "param", "code"}


def test_what_is_counted(server: Served) -> None:
    server.ended(server.job(prompts=["a cat"], num_images=2, stop_at=16)["id"])
    text = server.http.get("/metrics").text
    assert 'ediffi_jobs_total{status="done"} 1.0' in text and "ediffi_pictures_total 2.0" in text
    assert 'ediffi_evaluated_pictures_total{stage="base"}' in text
    assert "ediffi_jobs_waiting 0.0" in text


def test_what_the_model_is_and_what_it_understands(server: Served) -> None:
    model = server.http.get("/v1/model").json()
    assert [stage["resolution"] for stage in model["stages"]] == [16, 64, 256]
    assert model["limits"]["pictures"] == 16 and model["samplers"] == ["heun", "dpmpp_2m"]
    assert sum(map(len, model["vocabulary"].values())) == 4
    told = server.http.post("/v1/understand", json={"prompt": "a cat and a zorp"}).json()
    assert told["things"] == ["cat"] and told["refusal"] is None
    (word,) = told["words"]
    assert (word["start"], word["end"], word["word"], word["known"]) == (12, 16, "zorp", False)
    nothing = server.http.post("/v1/understand", json={"prompt": "zorp"}).json()
    assert "nothing is known in 'zorp'" in nothing["refusal"]


def test_other_machines_need_a_key(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("serve", "--host", "0.0.0.0") == 2
    assert "give an --api-key" in capsys.readouterr().err
