"""Jobs over HTTP: taken in, followed, cancelled, found again after a restart."""

from __future__ import annotations

import base64
import io
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.serving import Served, served
from PIL import Image

from ediffi.core.pixels import to_uint8
from ediffi.model import Cascade
from ediffi.server.store import Row, Store
from ediffi.trust.metadata import read_metadata

Events = list[tuple[str, dict[str, Any]]]
LONG = {"prompts": ["a cat"], "num_steps": [200, 1], "stop_at": 64}


@pytest.fixture(scope="module")
def server(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(model_folder, tmp_path_factory.mktemp("data")) as server:
        yield server


def events(server: Served, job: str) -> Events:
    """All that is told of a job, from now to its end."""
    found: Events = []
    with server.http.stream("GET", f"/v1/jobs/{job}/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        name = ""
        for line in answer.iter_lines():
            if line.startswith("event: "):
                name = line[7:]
            elif line.startswith("data: "):
                found.append((name, json.loads(line[6:])))
    return found


def opened(server: Served, url: str) -> Image.Image:
    answer = server.http.get(url)
    assert answer.status_code == 200 and answer.headers["content-type"] == "image/png"
    return Image.open(io.BytesIO(answer.content))


def test_a_job_is_drawn_as_the_cascade_draws_it(server: Served, model_folder: Path) -> None:
    asked = {"prompts": ["a cat", "a tree"], "num_images": 2, "seeds": 5, "stop_at": 64}
    job = server.job(**asked)
    assert job["status"] in ("queued", "running") and job["num_pictures"] == 4
    told = server.ended(job["id"])
    assert told["status"] == "done" and told["request"] == asked and told["error"] is None
    images = told["images"]
    assert [image["seed"] for image in images] == [5, 6, 7, 8]
    assert [image["prompt"] for image in images] == ["a cat", "a cat", "a tree", "a tree"]
    cascade = Cascade.from_pretrained(model_folder)
    expected = to_uint8(cascade.generate(["a cat", "a tree"], num_images=2, seeds=5, stop_at=64))
    for image, pixels in zip(images, expected, strict=True):
        picture = opened(server, image["url"])
        assert picture.size == (64, 64) == (image["width"], image["height"])
        difference = np.asarray(picture, float) - pixels
        assert np.abs(difference).mean() < 1  # level of 255: both are batches in bfloat16
        assert opened(server, image["stages"]["base"]).size == (16, 16)


def test_events_tell_the_way(server: Served) -> None:
    job = server.job(prompts=["a red fox"], num_images=2, stop_at=64)
    found = events(server, job["id"])
    names = [name for name, _ in found]
    assert names[-1] == "done" and set(names) <= {"queued", "progress", "stage", "done"}
    stages = [data for name, data in found if name == "stage"]
    assert [(s["stage"], s["resolution"]) for s in stages] == [("base", 16), ("sr256", 64)]
    assert all(opened(server, url).width == s["resolution"] for s in stages for url in s["images"])
    steps = [data for name, data in found if name == "progress"]
    assert all(0 < s["step"] <= s["num_steps"] == 8 and s["experts"] == [] for s in steps)
    preview = next(s for s in steps if "previews" in s)["previews"]
    first = next(uri for uri in preview if uri)
    assert Image.open(io.BytesIO(base64.b64decode(first.partition(",")[2]))).format == "WEBP"
    assert found[-1][1]["images"] == server.ended(job["id"])["images"]
    assert events(server, job["id"]) == found[-1:]  # who comes late is told how it ended


def test_where_the_words_of_a_picture_went(server: Served) -> None:
    prompt = "a cat in a tree"
    told = server.ended(server.job(prompts=["a fox", prompt], stop_at=16)["id"])
    asked = {"id": told["id"], "n": 1}
    found = server.http.post("/v1/attention", json=asked).json()["phrases"]
    assert [phrase["word"] for phrase in found] == prompt.split()
    for phrase in found:
        assert prompt[phrase["start"] : phrase["end"]] == phrase["word"]
        height, width = phrase["size"]
        assert len(base64.b64decode(phrase["map"])) == height * width > 1
    assert max(max(base64.b64decode(phrase["map"])) for phrase in found) == 255
    assert server.http.post("/v1/attention", json=asked).json()["phrases"] == found
    assert server.http.post("/v1/attention", json={**asked, "n": 2}).status_code == 404


def test_a_job_goes_on_when_nobody_listens_and_can_be_stopped(server: Served) -> None:
    job = server.job(**LONG)
    with server.http.stream("GET", f"/v1/jobs/{job['id']}/events") as answer:
        next(answer.iter_lines())
    told = server.http.get(f"/v1/jobs/{job['id']}").json()
    assert told["status"] in ("queued", "running")
    stopped = server.http.delete(f"/v1/jobs/{job['id']}")
    assert stopped.status_code == 200 and stopped.json()["status"] == "cancelled"
    assert events(server, job["id"]) == [("cancelled", {})]
    assert server.http.delete(f"/v1/jobs/{job['id']}").status_code == 204
    gone = server.http.get(f"/v1/jobs/{job['id']}")
    assert gone.status_code == 404 and gone.json()["error"]["code"] == "job_not_found"


def test_a_key_makes_a_request_one_job(server: Served) -> None:
    body, headers = {"prompts": ["a cat"], "stop_at": 16}, {"Idempotency-Key": "once"}
    first = server.http.post("/v1/jobs", json=body, headers=headers)
    again = server.http.post("/v1/jobs", json=body, headers=headers)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["id"] == again.json()["id"]
    other = server.http.post("/v1/jobs", json={**body, "seeds": 3}, headers=headers)
    assert other.status_code == 409 and other.json()["error"]["code"] == "idempotency_conflict"


def test_the_history_is_newest_first(server: Served) -> None:
    ids = [server.job(prompts=["a cat"], seeds=n, stop_at=16)["id"] for n in range(3)]
    listed = server.http.get("/v1/jobs", params={"limit": 3}).json()["jobs"]
    assert [job["id"] for job in listed] == ids[::-1]


def test_a_picture_brings_its_settings_back(server: Served) -> None:
    mask = Image.new("L", (32, 32))
    mask.paste(255, (0, 0, 16, 32))
    out = io.BytesIO()
    mask.save(out, "PNG")
    uri = f"data:image/png;base64,{base64.b64encode(out.getvalue()).decode()}"
    regions = {"regions": [{"phrase": "cat", "mask": uri}]}
    asked = {"prompts": ["a tree", "a cat"], "seeds": [3, 9], "regions": [None, regions]}
    told = server.ended(server.job(**asked, stop_at=64, num_steps=[2, 1])["id"])
    png = server.http.get(told["images"][1]["url"]).content
    found = server.http.post("/v1/settings", content=png)
    assert found.json() == {
        "prompts": ["a cat"],
        "seeds": [9],
        "num_images": 1,
        "regions": regions,
        "stop_at": 64,
        "num_steps": [2, 1],
    }
    again = server.ended(server.job(**found.json())["id"])
    pictures = [opened(server, its["images"][n]["url"]) for its, n in ((told, 1), (again, 0))]
    difference = np.asarray(pictures[0], float) - np.asarray(pictures[1], float)
    assert np.abs(difference).mean() < 1
    plain = server.http.post("/v1/settings", content=out.getvalue())
    assert plain.status_code == 400 and "does not say" in plain.json()["error"]["message"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "not JSON"),
        (b"[]", "no JSON object"),
        (b"[" * 100_000, "not JSON"),
        (b'{"prompts": "a cat", "size": 64}', "size: Extra inputs"),
        (b'{"prompts": "a cat", "num_images": 17}', "17 pictures are asked for, at most 16"),
        (b'{"prompts": "a cat", "num_steps": 5000}', "num_steps: 5000, at most"),
        (b'{"prompts": "a cat", "stop_at": 100}', "cannot stop at 100"),
        (b'{"prompts": "a cat", "style": "/etc/passwd"}', "give a picture as data:image/png"),
        (b'{"prompts": ["' + b"a" * 3000 + b'"]}', "3,000 characters, at most 2,000"),
        (b'{"prompts": "a cat", "regions": {"regions": [], "map": "x.png"}}', "regions"),
    ],
)
def test_bad_requests_are_told_what_is_wrong(server: Served, body: bytes, message: str) -> None:
    answer = server.http.post("/v1/jobs", content=body)
    assert answer.status_code == 400 and message in answer.json()["error"]["message"]


def test_pictures_of_many_pixels_are_refused_by_their_headers(server: Served) -> None:
    out = io.BytesIO()
    Image.new("1", (9000, 6000)).save(out, "PNG")  # 54 million pixels in 7 kB
    uri = f"data:image/png;base64,{base64.b64encode(out.getvalue()).decode()}"
    answer = server.http.post("/v1/jobs", json={"prompts": ["a cat"], "start_from": uri})
    assert answer.status_code == 400 and "50,000,000 pixels" in answer.json()["error"]["message"]


def test_what_fails_while_drawn_is_reported(model_folder: Path, tmp_path: Path) -> None:
    cascade = Cascade.from_pretrained(model_folder)
    with served(cascade, tmp_path) as server:
        weight = next(cascade.stage("base").denoiser.parameters())
        with torch.no_grad():
            weight.fill_(float("nan"))
        told = server.ended(server.job(prompts=["a cat"], stop_at=16)["id"])
        assert told["status"] == "failed" and "no finite picture" in told["error"]


def test_a_full_queue_says_when_to_come_again(model_folder: Path, tmp_path: Path) -> None:
    from ediffi.server.settings import Limits

    with served(model_folder, tmp_path, active=1, limits=Limits(queue=(2, 8))) as server:
        jobs = [server.job(**LONG)]
        while server.http.get(f"/v1/jobs/{jobs[0]['id']}").json()["status"] == "queued":
            time.sleep(0.01)
        jobs += [server.job(**LONG), server.job(**LONG)]
        assert [server.http.get(f"/v1/jobs/{job['id']}").json()["position"] for job in jobs] in (
            [0, 1, 2],
            [0, 0, 0],  # not told yet
        )
        full = server.http.post("/v1/jobs", json=LONG)
        assert full.status_code == 429 and full.json()["error"]["code"] == "queue_full"
        assert 0 < int(full.headers["retry-after"]) < 120
        assert server.http.delete(f"/v1/jobs/{jobs[1]['id']}").json()["status"] == "cancelled"
        assert server.http.post("/v1/jobs", json=LONG).status_code == 201


def test_jobs_outlive_the_server(model_folder: Path, tmp_path: Path) -> None:
    """What waits or is being drawn when a server stops is drawn by the next one."""
    with served(model_folder, tmp_path, active=1) as server:
        done = server.ended(server.job(prompts=["a cat"], stop_at=16)["id"])
        waiting = [server.job(prompts=["a tree"], num_steps=80, stop_at=16) for _ in "12"]
    with served(model_folder, tmp_path) as server:
        assert server.http.get(f"/v1/jobs/{done['id']}").json() == done
        assert opened(server, done["images"][0]["url"]).size == (16, 16)
        for job in waiting:
            told = server.ended(job["id"])
            assert told["status"] == "done" and opened(server, told["images"][0]["url"])


def test_a_job_that_kills_servers_is_given_up(model_folder: Path, tmp_path: Path) -> None:
    """And a call that nobody waits for any more is not drawn."""
    store = Store(tmp_path)
    body = b'{"prompts": ["a cat"], "stop_at": 16}'
    for name, starts in (("once", 1), ("often", 3), ("call", 0)):
        call = name == "call"
        store.add(Row(id=name, client="local", num_pictures=1, digest="", call=call), body)
        for _ in range(starts):
            store.started(name)
    store.close()
    with served(model_folder, tmp_path) as server:
        assert server.ended("once")["status"] == "done"
        often, call = server.ended("often"), server.ended("call")
    assert often["status"] == "failed" and "ended 3 times while it drew this" in often["error"]
    assert call["status"] == "failed" and "nobody waits" in call["error"]


def test_one_server_a_folder(server: Served, model_folder: Path) -> None:
    from ediffi.core.errors import UserError
    from ediffi.server.app import create_app

    settings = server.app.state.service.settings
    with pytest.raises(UserError, match="Is another server running on it"):
        create_app(Cascade.from_pretrained(model_folder), settings)


def test_the_oldest_jobs_go_when_there_is_no_room(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for n in range(4):
        store.add(Row(id=f"job{n}", client="a", num_pictures=1, digest=""), b"{}")
        (store.files(f"job{n}") / "0.png").write_bytes(bytes(1000))
        store.ended(f"job{n}", "done", (), None)
    store.add(Row(id="open", client="a", num_pictures=1, digest=""), b"{}")
    assert store.sweep(days=1, most=2500) == 2
    assert [row.id for row in store.newest("a", 9)] == ["open", "job3", "job2"]
    assert sorted(path.name for path in (tmp_path / "jobs").iterdir()) == ["job2", "job3", "open"]
    assert store.sweep(days=0, most=10**9) == 2 and store.get("open") is not None
    (tmp_path / "jobs" / "stray").mkdir()
    store.remove_strays()
    assert [path.name for path in (tmp_path / "jobs").iterdir()] == ["open"]


def test_filters_of_prompts_and_pictures(model_folder: Path, tmp_path: Path) -> None:
    from ediffi.trust.safety import Filters, Verdict

    strict: list[bool] = []
    filters = Filters(
        prompts={"house": lambda prompt: Verdict("fox" not in prompt, "no foxes")},
        pictures={"eyes": lambda picture: Verdict(not strict, "too red")},
    )
    with served(model_folder, tmp_path, filters=filters) as server:
        refused = server.http.post("/v1/jobs", json={"prompts": ["a red fox"]})
        assert refused.status_code == 400 and "no foxes" in refused.json()["error"]["message"]
        told = server.ended(server.job(prompts=["a cat"], stop_at=16)["id"])
        png = server.http.get(told["images"][0]["url"]).content
        (verdict,) = read_metadata(png).parameters["safety"]  # type: ignore[index]
        assert verdict["filter"] == "eyes" and verdict["allowed"] is True
        strict.append(True)
        job = server.job(prompts=["a cat"], num_images=2, stop_at=16)
        told_of = [data for _, data in events(server, job["id"])]
        assert not any(any(data.get("previews", ())) for data in told_of)
        told = server.ended(job["id"])
        assert told["status"] == "failed" and "eyes: too red" in told["error"]
        assert told["images"] == [] and not list((tmp_path / "jobs" / job["id"]).glob("*.png"))
