"""`ediffi paint` as a person meets it, on a tiny random model."""

from __future__ import annotations

import inspect
import json
from pathlib import Path

import numpy as np
import pytest
from helpers.cli import run
from PIL import Image

from ediffi.cli.generate import generate
from ediffi.cli.paint import paint
from ediffi.output import read_parameters

Capture = pytest.CaptureFixture[str]
PROMPT = "a red fox next to a rocket"


@pytest.fixture(autouse=True)
def painted(here: Path) -> None:
    image = Image.new("RGB", (60, 40), "white")
    image.paste("#ff0000", (10, 0, 30, 20))
    image.paste("#0000ff", (30, 20, 50, 40))
    image.save("map.png")
    write("palette.json", {"#ff0000": "fox", "#0000ff": {"phrase": "rocket", "weight": 2}})
    write("regions.json", [{"phrase": "red fox", "box": [0, 0, 0.5, 1], "negative": "rocket"}])
    write("dog.json", {"#ff0000": "dog"})
    write("green.json", {"#00ff00": "fox"})
    write("twice.json", [{"phrase": "a", "box": [0, 0, 1, 1]}])
    Path("broken.json").write_text("{")


def write(name: str, value: object) -> None:
    Path(name).write_text(json.dumps(value))


def test_a_map(model_folder: Path, here: Path, capsys: Capture) -> None:
    options = ["--map", "map.png", "--palette", "palette.json", "--weight", 5, "--scale", "std"]
    options += ["--seed", 7, "-m", model_folder, "--tile", 64, "--steps", 2, "-n", 2]
    assert run("paint", PROMPT, *options, "-o", "out.png") == 0
    out, err = capsys.readouterr()
    assert out == "out-1.png (seed 7)\nout-2.png (seed 8)\n"
    assert "note: the map map.png is 60x40: its middle square of 40x40 is used" in err
    assert "painted 50.0% of the map" in err
    facts = read_parameters(here / "out-2.png")
    form = {"scale": "std", "growth": "sigma", "placed": True}
    assert facts["painting"] == {"weight": 5.0, **form}
    assert [r["phrase"] for r in facts["regions"]] == ["fox", "rocket"]
    assert [r["share"] for r in facts["regions"]] == [0.25, 0.25]
    with Image.open("out-1.png") as image:
        assert "regions: phrase fox, weight 1.0, share 0.25" in image.info["parameters"]
    rest = ["--seed", 7, "-m", model_folder, "--tile", 64, "--steps", 2, "-n", 2]
    assert run("generate", PROMPT, *rest, "-o", "plain.png") == 0
    painted, plain = (np.array(Image.open(name)) for name in ("out-1.png", "plain-1.png"))
    assert (painted != plain).any()


def test_regions_and_prompts_from_a_file(model_folder: Path, here: Path) -> None:
    Path("prompts.txt").write_text(f"{PROMPT}\na rocket and a red fox\n")
    options = ["--regions", "regions.json", "--prompts", "prompts.txt", "-o", "out"]
    assert run("paint", *options, "-m", model_folder, "--stop-at", 16, "--seed", 0) == 0
    assert len(list((here / "out").iterdir())) == 2


def test_it_has_every_option_of_generate() -> None:
    theirs, ours = (inspect.signature(f).parameters for f in (generate, paint))
    assert list(theirs) == [name for name in ours if name in theirs]
    assert set(ours) - set(theirs) == {
        *("map", "palette", "regions"),
        *("weight", "scale", "growth", "placed"),
    }


MAP = ["--map", "map.png", "--palette"]
BAD = {
    "nothing painted": ([], "give either --map with --palette, or --regions"),
    "both": ([*MAP, "palette.json", "--regions", "regions.json"], "give either --map"),
    "no palette": (["--map", "map.png"], "Colours of the map: #ffffff (50.0%), #0000ff (25.0%)"),
    "palette alone": (["--regions", "regions.json", "--palette", "palette.json"], "belongs to"),
    "phrase": ([*MAP, "dog.json"], "'dog' is not in the prompt. Choose among its words: a, red"),
    "colour": ([*MAP, "green.json"], "#00ff00 is nowhere on the map map.png, whose colours"),
    "twice": (["--regions", "twice.json"], "'a' is in the prompt 2 times"),
    "not JSON": ([*MAP, "broken.json"], "--palette broken.json is not JSON"),
    "missing": (["--regions", "no.json"], "cannot read --regions no.json: No such file"),
    "map missing": (["--map", "no.png", "--palette", "palette.json"], "cannot read the map no.png"),
    "not a map": (["--map", "palette.json", "--palette", "palette.json"], "is not a picture"),
    "weight": (["--regions", "regions.json", "--weight", "-1"], "'--weight'"),
    "scale": (["--regions", "regions.json", "--scale", "mean"], "'--scale'"),
    "option": (["--regions", "regions.json", "--steps", "0"], "stage base, num_steps"),
}


@pytest.mark.parametrize("case", BAD)
@pytest.mark.filterwarnings("ignore::ediffi.core.errors.Notice")
def test_bad_input(case: str, model_folder: Path, here: Path, capsys: Capture) -> None:
    args, complaint = BAD[case]
    before = sorted(here.iterdir())
    assert run("paint", PROMPT, *args, "-m", model_folder, "-o", "out.png") == 2
    out, err = capsys.readouterr()
    lines = [line for line in err.splitlines() if line.startswith("error:")]
    assert out == "" and len(lines) == 1 and complaint in lines[0], err
    assert sorted(here.iterdir()) == before
