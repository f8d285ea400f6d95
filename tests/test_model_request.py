"""A request is checked once, and is the same from Python and from JSON."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from ediffi.core.errors import UserError
from ediffi.encoders import Style
from ediffi.model import Request
from ediffi.paint import Painting, Region


@pytest.fixture
def picture() -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (24, 24, 3), np.uint8)
    return Image.fromarray(pixels)


def uri(picture: Image.Image) -> str:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def same(one: Image.Image | None, other: Image.Image | None) -> bool:
    return one is not None and other is not None and one.tobytes() == other.tobytes()


def test_one_value_or_several() -> None:
    request = Request.of(prompts="a fox", seeds=3, num_steps=4, use="t5", num_images=2)
    assert (request.prompts, request.seeds, request.num_steps) == (("a fox",), (3,), (4,))
    assert request.use == ("t5",) and request.num_pictures == 2
    several = Request.of(prompts=["a fox", "a cat"], seeds=np.arange(2), num_steps=range(1, 4))
    assert (several.seeds, several.num_steps) == ((0, 1), (1, 2, 3))


def test_pictures_of_every_kind_are_opened_once(picture: Image.Image, tmp_path: Path) -> None:
    picture.save(tmp_path / "p.png")
    tensor = torch.from_numpy(np.array(picture)).permute(2, 0, 1) / 127.5 - 1
    for given in (tmp_path / "p.png", str(tmp_path / "p.png"), picture, np.array(picture), tensor):
        request = Request.of(prompts="a fox", start_from=given, style=given)
        assert same(request.start_from, picture)
        assert request.style[0] is not None and same(request.style[0].pictures[0], picture)


def test_json_says_what_python_says(picture: Image.Image) -> None:
    data = uri(picture)
    text = json.dumps(
        {
            "prompts": ["a fox", "a cat"],
            "seeds": [1, 2],
            "guidance_scale": [2, 1.5],
            "start_from": data,
            "style": [{"pictures": [data, data], "weights": [1, 0.5]}, None],
            "regions": [None, {"regions": [{"phrase": "cat", "mask": data}], "weight": 0.7}],
            "dtype": "fp32",
        }
    )
    request = Request.from_json(text)
    assert request.guidance_scale == (2.0, 1.5) and request.dtype is torch.float32
    assert same(request.start_from, picture)
    style, none = request.style
    assert style is not None and style.weights == (1.0, 0.5) and none is None
    painting = request.regions[1]
    assert painting is not None and painting.weight == 0.7
    assert painting.regions[0].phrase == "cat"


@pytest.mark.parametrize(
    "field",
    [
        {"start_from": "/etc/hostname"},
        {"style": "/etc/hostname"},
        {"style": {"pictures": ["/etc/hostname"]}},
        {"regions": {"regions": [{"phrase": "fox", "mask": "/etc/hostname"}]}},
        {
            "regions": {
                "regions": [{"phrase": "fox", "color": "#ff0000"}],
                "map": "/etc/hostname",
            }
        },
    ],
)
def test_json_reads_no_file_of_this_machine(field: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="data:image/png;base64"):
        Request.from_json(json.dumps({"prompts": "a fox", **field}))


MASK = Painting((Region(np.ones((8, 8), bool), "fox"),))
BAD: dict[str, tuple[dict[str, Any], str]] = {
    "nothing": ({"prompts": None}, "give a prompt, or a picture to vary"),
    "no prompts": ({"prompts": []}, "prompts: "),
    "number as prompt": ({"prompts": 5}, "prompts.0: Input should be a valid string"),
    "bytes as prompt": ({"prompts": [b"\xff"]}, "prompts.0: "),
    "unknown field": ({"colour": "red"}, "colour: Extra inputs"),
    "half a step": ({"num_steps": 1.5}, "num_steps.0: "),
    "endless seed": ({"seeds": float("inf")}, "seeds.0: "),
    "huge seed": ({"seeds": 10**5000}, "seeds.0: Input should be less than"),
    "negative seed": ({"seeds": [-1]}, "seeds start at 0"),
    "seeds": ({"seeds": [1, 2]}, "2 seeds for 1 pictures"),
    "many": ({"num_images": 10_001}, "at most 10,000"),
    "huge number": ({"num_images": 10**5000}, "num_images: Input should be less than"),
    "no picture": ({"start_from": 5}, "start_from: int is no picture and no path"),
    "floats": ({"start_from": np.zeros((9, 9, 3))}, "an array of pixels is .* not .* float64"),
    "no style": ({"style": 5}, "style: int is no picture"),
    "empty style": ({"style": {"pictures": []}}, "at least one picture"),
    "weights": ({"style": {"pictures": [Image.new("RGB", (9, 9))], "weights": [None]}}, "weights"),
    "paintings": ({"regions": [MASK, MASK]}, "2 paintings for 1 prompts"),
    "no painting": ({"regions": "left"}, "regions: str is no painting"),
    "dtype": ({"dtype": "fp8"}, "dtype fp8: choose bf16 or fp32"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_refused(case: str) -> None:
    fields, complaint = BAD[case]
    with pytest.raises(UserError, match=complaint) as caught:
        Request.of(**({"prompts": "a fox"} | fields))
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '"a fox"', "null", '{"prompts": {"a": 1}}'])
def test_json_that_is_no_request(text: str) -> None:
    with pytest.raises(UserError):
        Request.from_json(text)


def test_a_request_stays_as_it_is() -> None:
    request = Request.of(prompts="a fox", style=Style.of(Image.new("RGB", (9, 9))))
    with pytest.raises(ValueError, match="frozen"):
        request.num_images = 2  # type: ignore[misc]
