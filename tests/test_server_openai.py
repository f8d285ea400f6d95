"""OpenAI's own client, and those of AUTOMATIC1111's web UI and of MCP, draw with the server."""

from __future__ import annotations

import base64
import io
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from helpers.serving import Served, served
from PIL import Image

from ediffi.output import read_parameters

KEY = "a-key"


@pytest.fixture(scope="module")
def server(whole_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Of the tiny cascade that also looks at pictures, with a key."""
    with served(whole_folder, tmp_path_factory.mktemp("data"), keys=(KEY, "another")) as server:
        yield server


@pytest.fixture(scope="module")
def client(server: Served) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key=KEY)


def opened(encoded: str | None) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(encoded or "")))


def test_models(client: openai.OpenAI) -> None:
    (model,) = client.models.list().data
    assert model.id == "whole" and client.models.retrieve("gpt-image-2").id == "whole"
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve("dall-e-3")
    assert caught.value.code == "model_not_found" and caught.value.param == "model"


def test_pictures_are_generated(client: openai.OpenAI, tmp_path: Path) -> None:
    answer = client.images.generate(
        model="gpt-image-2",
        prompt="a red fox",
        n=4,
        size="64x64",
        user="someone",
        extra_body={"seed": 7},
    )
    assert answer.data is not None and len(answer.data) == 4
    assert (answer.size, answer.output_format, answer.background) == ("64x64", "png", "opaque")
    assert answer.usage is not None and answer.usage.output_tokens == 4 * 8  # steps of two stages
    assert answer.usage.input_tokens == answer.usage.input_tokens_details.text_tokens > 3
    assert answer.safety_identifier == "someone"
    assert all(opened(picture.b64_json).size == (64, 64) for picture in answer.data)
    path = tmp_path / "second.png"
    path.write_bytes(base64.b64decode(answer.data[1].b64_json or ""))
    said = read_parameters(path)
    assert (said["prompt"], said["seed"]) == ("a red fox", 8)


@pytest.mark.parametrize(
    ("options", "size", "kind"),
    [
        ({"size": "64x64", "output_format": "webp", "output_compression": 60}, 64, "WEBP"),
        ({"size": "40x40", "output_format": "jpeg", "quality": "low"}, 40, "JPEG"),
        ({"extra_body": {"steps": [2, 1, 1], "guidance": 2.0, "sampler": "heun"}}, 256, "PNG"),
    ],
)
def test_sizes_formats_and_extra_fields(
    client: openai.OpenAI, options: dict[str, Any], size: int, kind: str
) -> None:
    answer = client.images.generate(prompt="a cat", **options)
    assert answer.data is not None and answer.size == f"{size}x{size}"
    picture = opened(answer.data[0].b64_json)
    assert picture.size == (size, size) and picture.format == kind


def test_a_picture_can_be_a_url(client: openai.OpenAI, server: Served) -> None:
    answer = client.images.generate(prompt="a cat", size="16x16", response_format="url")
    assert answer.data is not None and answer.data[0].url is not None
    assert answer.data[0].url.startswith(server.url)
    file = server.http.get(answer.data[0].url)
    assert Image.open(io.BytesIO(file.content)).size == (16, 16)


def test_partial_images_are_those_of_the_lower_stages(client: openai.OpenAI) -> None:
    stream = client.images.generate(prompt="a cat", stream=True, partial_images=2)
    events = list(stream)
    assert [event.type for event in events] == [
        "image_generation.partial_image",
        "image_generation.partial_image",
        "image_generation.completed",
    ]
    assert [opened(event.b64_json).width for event in events] == [16, 64, 256]
    assert [event.size for event in events] == ["16x16", "64x64", "256x256"]
    assert [e.partial_image_index for e in events[:2]] == [0, 1]  # type: ignore[union-attr]
    assert events[2].usage.total_tokens > 0  # type: ignore[union-attr]
    alone = client.images.generate(prompt="a cat", size="16x16", stream=True)
    assert [event.type for event in alone] == ["image_generation.completed"]


def test_an_edit_takes_the_look_of_pictures(client: openai.OpenAI) -> None:
    out = io.BytesIO()
    Image.new("RGB", (32, 32), "red").save(out, "PNG")
    file = ("red.png", out.getvalue(), "image/png")
    answer = client.images.edit(image=[file, file], prompt="a cat", size="64x64", n=2)
    assert answer.data is not None and len(answer.data) == 2 and answer.usage is not None
    assert answer.usage.input_tokens_details.image_tokens == 2
    assert opened(answer.data[0].b64_json).size == (64, 64)
    with pytest.raises(openai.BadRequestError, match="cannot repaint") as caught:
        client.images.edit(image=file, mask=file, prompt="a cat")
    assert caught.value.param == "mask" and caught.value.code == "unsupported_parameter"


@pytest.mark.parametrize(
    ("options", "param", "message"),
    [
        ({"size": "1792x1024"}, "size", "the nearest to 1792x1024 is 256x256"),
        ({"size": "64x16"}, "size", "the nearest to 64x16 is 64x64"),
        ({"size": "big"}, "size", "not WIDTHxHEIGHT"),
        ({"n": 11}, "n", "less than or equal to 10"),
        ({"background": "transparent"}, "background", "'opaque' or 'auto'"),
        ({"output_format": "svg"}, "output_format", "'png', 'jpeg' or 'webp'"),
        ({"output_compression": 5}, "output_compression", "jpeg and webp"),
        ({"extra_body": {"partial_images": 1}}, "partial_images", "needs stream"),
        ({"extra_body": {"negative_prompt": "x"}}, "negative_prompt", "is not supported here"),
        ({"extra_body": {"sampler": "euler"}}, None, "unknown sampler 'euler'"),
        ({"extra_body": {"steps": 0}}, None, "num_steps"),
        ({"extra_body": {"seed": -5}}, "seed", "seeds start at 0"),
        ({"style": "vivid"}, "style", "has no style 'vivid'"),
        ({"prompt": "zorp"}, "prompt", "nothing is known in 'zorp'"),
        ({"prompt": "a" * 3000}, "prompt", "at most 2,000"),
    ],
)
def test_bad_parameters_are_refused_by_name(
    client: openai.OpenAI, options: dict[str, Any], param: str | None, message: str
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.images.generate(**{"prompt": "a cat", **options})
    assert message in caught.value.message and caught.value.type == "invalid_request_error"
    assert param is None or caught.value.param == param


def test_a_wrong_key(server: Served) -> None:
    stranger = openai.OpenAI(base_url=f"{server.url}/v1", api_key="wrong")
    with pytest.raises(openai.AuthenticationError) as caught:
        stranger.images.generate(prompt="a cat")
    assert caught.value.code == "invalid_api_key"


def test_too_much_at_once(client: openai.OpenAI) -> None:
    picture = "data:image/png;base64," + "A" * (33 * 2**20)
    with pytest.raises(openai.APIStatusError) as caught:
        client.images.generate(prompt="a cat", extra_body={"style": picture})
    assert caught.value.status_code == 413 and caught.value.code == "body_too_large"


def test_clients_that_leave_and_try_again_do_not_pile_up(server: Served) -> None:
    """A timeout and its two retries leave three cancelled calls, and nothing that is drawn."""
    hasty = openai.OpenAI(base_url=f"{server.url}/v1", api_key=KEY, timeout=3.0)
    before = len(server.http.get("/v1/jobs").json()["jobs"])
    with pytest.raises(openai.APITimeoutError):
        hasty.images.generate(prompt="a cat", n=10, extra_body={"steps": [200, 200, 200]})
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        jobs = server.http.get("/v1/jobs").json()["jobs"]
        new = jobs[: len(jobs) - before]
        if len(new) == 3 and all(job["status"] == "cancelled" for job in new):
            return
        time.sleep(0.1)
    raise AssertionError([job["status"] for job in new])


def test_clients_see_their_own_jobs_alone(server: Served) -> None:
    job = server.job(prompts=["a cat"], stop_at=16)
    other = {"Authorization": "Bearer another"}
    assert server.http.get(f"/v1/jobs/{job['id']}", headers=other).status_code == 404
    assert server.http.get("/v1/jobs", headers=other).json() == {"jobs": []}
    url = server.ended(job["id"])["images"][0]["url"]
    assert server.http.get(url, headers=other).status_code == 404


def test_automatic1111(server: Served) -> None:
    asked = {
        "prompt": "a cat",
        "negative_prompt": "dogs",
        "width": 64,
        "height": 64,
        "batch_size": 2,
        "seed": 4,
        "steps": 20,
        "sampler_name": "Euler a",
    }
    answer = server.http.post("/sdapi/v1/txt2img", json=asked).json()
    assert [opened(picture).size for picture in answer["images"]] == [(64, 64)] * 2
    info = json.loads(answer["info"])
    assert info["all_seeds"] == [4, 5]
    assert set(info["ignored"]) == {"negative_prompt", "steps", "sampler_name"}
    assert server.http.get("/sdapi/v1/sd-models").json()[0]["model_name"] == "whole"
    long = {**asked, "sampler_name": "heun", "steps": 100}
    found: list[Any] = []
    call = threading.Thread(
        target=lambda: found.append(server.http.post("/sdapi/v1/txt2img", json=long))
    )
    call.start()
    while server.http.get("/sdapi/v1/progress").json()["progress"] == 0:
        time.sleep(0.02)
    progress = server.http.get("/sdapi/v1/progress").json()
    assert 0 < progress["progress"] < 1 and progress["state"]["job_count"] == 1
    assert opened(progress["current_image"]).width == 16
    assert server.http.post("/sdapi/v1/interrupt").json() == {}
    call.join()
    assert found[0].status_code == 409


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_language_models_draw(server: Served) -> None:
    from mcp import Client

    from ediffi.server.mcp import tools

    async with Client(tools(server.url, KEY)) as client:
        listed = await client.list_tools()
        assert {tool.name for tool in listed.tools} == {"draw", "describe_model", "check_prompt"}
        drawn = await client.call_tool(
            "draw", {"prompt": "a red fox", "size": 64, "num_images": 2, "seed": 3}
        )
        text, *pictures = drawn.content
        assert text.text.startswith("seeds 3, 4.")  # type: ignore[union-attr]
        assert [opened(picture.data).size for picture in pictures] == [(64, 64)] * 2  # type: ignore[union-attr]
        refused = await client.call_tool("draw", {"prompt": "zorp"})
        assert refused.is_error and "nothing is known" in refused.content[0].text  # type: ignore[union-attr]
