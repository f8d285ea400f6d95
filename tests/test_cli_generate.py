"""`ediffi generate` as a person meets it, on a tiny random model."""

from __future__ import annotations

import os
import re
import shutil
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.cli import run
from PIL import Image

from ediffi.output import read_parameters

Capture = pytest.CaptureFixture[str]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_one_picture(model_folder: Path, here: Path, capsys: Capture) -> None:
    assert run("generate", "a red fox", "-o", "fox.png", "-m", model_folder, "--seed", 7) == 0
    out, err = capsys.readouterr()
    assert out == "fox.png (seed 7)\n"
    seconds = re.findall(r"(\w+) [\d.]+ s", err)
    assert seconds == ["import", "load", "text", "base", "sr256", "sr1024", "write", "total"]
    assert names(here) == ["fox.png"]
    with Image.open("fox.png") as image:
        assert image.size == (256, 256)
        assert image.info["parameters"].startswith("a red fox\nseed: 7\nmodel: tiny\n")
    facts = read_parameters(Path("fox.png"))
    assert facts["prompt"] == "a red fox" and facts["seed"] == 7 and len(facts["model_hash"]) == 64
    assert [stage["num_steps"] for stage in facts["stages"]] == [4, 4, 4]


def test_how_to_open_it(
    model_folder: Path, here: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ["-m", model_folder, "--stop-at", 16]
    assert run("generate", "a red fox", *options, "-o", "a fox.png") == 0
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith(str(here / "a fox.png")) and "'a fox.png'" in last
    assert run("generate", "a red fox", *options, "-o", "a.png", "-n", 3) == 0
    assert capsys.readouterr().err.splitlines()[-1].startswith(f"3 pictures in {here}")
    viewer = here / "bin" / "xdg-open"
    viewer.parent.mkdir()
    viewer.write_text(f'#!/bin/sh\necho "$1" > {here}/shown\n')
    viewer.chmod(0o755)
    monkeypatch.setenv("PATH", str(viewer.parent), prepend=os.pathsep)
    assert run("generate", "a red fox", *options, "-o", "b.png", "--open") == 0
    for _ in range(100):
        if (here / "shown").exists() and (here / "shown").read_text():
            break
        time.sleep(0.05)
    assert (here / "shown").read_text() == "b.png\n"


def test_devices(model_folder: Path, here: Path, capsys: Capture) -> None:
    options = ["-m", model_folder, "--stop-at", 16, "--seed", 0]
    for device in ("auto", "cpu"):
        assert run("generate", "a cat", *options, "--device", device, "-o", "a.png") == 0
    if not torch.cuda.is_available():
        assert run("generate", "a cat", *options, "--device", "cuda") == 2
        assert "this machine has no cuda device" in capsys.readouterr().err


def test_twice_with_one_seed(model_folder: Path, here: Path) -> None:
    for name in ("a.png", "b.png"):
        assert run("generate", "a cat", "-o", name, "-m", model_folder, "--seed", 1) == 0
    first, second = (Image.open(here / name) for name in ("a.png", "b.png"))
    assert np.array_equal(np.asarray(first), np.asarray(second))
    assert read_parameters(here / "a.png") == read_parameters(here / "b.png")


def test_several_pictures_and_options(model_folder: Path, here: Path, capsys: Capture) -> None:
    options = ["--num-images", 6, "--stop-at", 64, "--steps", "3,2", "--guidance", "2,1"]
    options += ["--sampler", "heun", "--use", "t5", "--dtype", "fp32", "--tile", 32, "--seed", 5]
    assert run("generate", "a red fox", "-m", model_folder, *options) == 0
    assert capsys.readouterr().out.splitlines()[5] == "a-red-fox-6.png (seed 10)"
    assert names(here) == [f"a-red-fox-{i}.png" for i in range(1, 7)]
    facts = read_parameters(here / "a-red-fox-6.png")
    assert facts["seed"] == 10 and facts["dtype"] == "fp32"
    kept = [(s["sampler"], s["num_steps"], s["guidance_scale"]) for s in facts["stages"]]
    assert kept == [("heun", 3, 2.0), ("heun", 2, 1.0)]
    # the sixth of a run is what its own seed draws alone
    assert run("generate", "a red fox", "-m", model_folder, *options[2:-1], 10, "-o", "x.png") == 0
    alone, sixth = (np.array(Image.open(n)).astype(int) for n in ("x.png", "a-red-fox-6.png"))
    assert abs(alone - sixth).max() <= 1


def test_prompts_from_a_file(model_folder: Path, here: Path) -> None:
    (here / "prompts.txt").write_text("a red fox\n\n a cat \n")
    options = ["--prompts", "prompts.txt", "-o", "out", "--stop-at", 16, "--seed", 0]
    assert run("generate", "-m", model_folder, *options) == 0
    assert names(here / "out") == ["0001-a-red-fox.png", "0002-a-cat.png"]


def test_start_from(model_folder: Path, here: Path, capsys: Capture) -> None:
    Image.new("RGB", (32, 16), "red").save("low.png")
    options = ["-o", "big.png", "--start-from", "low.png", "--seed", 0]
    assert run("generate", "a red fox", "-m", model_folder, *options) == 0
    err = capsys.readouterr().err
    assert "note: the picture to start from is 32x16" in err
    assert [s["stage"] for s in read_parameters(here / "big.png")["stages"]] == ["sr256", "sr1024"]


def test_preview_follows_and_goes(model_folder: Path, here: Path) -> None:
    seen: list[tuple[int, int]] = []
    stop = threading.Event()

    def watch() -> None:
        while not stop.is_set():
            if Path("fox.preview.png").exists():
                with Image.open("fox.preview.png") as image:
                    seen.append(image.size)
            time.sleep(0.01)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        options = ["-o", "fox.png", "--preview", "--steps", "60,4,4", "--seed", 0]
        assert run("generate", "a red fox", "-m", model_folder, *options) == 0
    finally:
        stop.set()
        watcher.join()
    assert seen[0] == (16, 16) and names(here) == ["fox.png"]


def test_prompts_with_nothing_to_draw(model_folder: Path, here: Path, capsys: Capture) -> None:
    options = ["-m", model_folder, "-o", "p.png", "--stop-at", 16]
    assert run("generate", "the Eiffel Tower at night", *options) == 2
    out, err = capsys.readouterr()
    assert out == "" and "nothing is known in 'the Eiffel Tower at night'" in err
    assert "--anyway" in err and names(here) == []
    assert run("generate", "the Eiffel Tower at night", *options, "--anyway") == 0
    assert "note: nothing is known" in capsys.readouterr().err and names(here) == ["p.png"]


def test_unknown_words_are_noted(model_folder: Path, here: Path, capsys: Capture) -> None:
    options = ["-m", model_folder, "-o", "p.png", "--stop-at", 16]
    assert run("generate", "a purple fox", *options) == 0
    assert "note: tiny was never taught 'purple'" in capsys.readouterr().err
    assert run("generate", "a red fox", *options) == 0
    assert "note:" not in capsys.readouterr().err


BAD = {
    "empty prompt": (["generate", " "], "the prompt is empty"),
    "no prompt": (["generate"], "give either a prompt or --prompts"),
    "20,000 characters": (["generate", "fox " * 5000], "the prompt has 20,000 characters"),
    "sampler": (["generate", "a cat", "--sampler", "euler"], "unknown sampler 'euler'"),
    "dtype": (["generate", "a cat", "--dtype", "fp8"], "'--dtype'"),
    "option": (["generate", "a cat", "--colour", "red"], "No such option: --colour"),
    "command": (["paint-it"], "No such command 'paint-it'"),
    "size": (["generate", "a cat", "--stop-at", "65"], "cannot stop at 65"),
    "steps": (["generate", "a cat", "--steps", "many"], "--steps takes whole numbers"),
    "zero steps": (["generate", "a cat", "--steps", "0"], "stage base, num_steps"),
    "guidance": (["generate", "a cat", "--guidance", "1,2"], "2 values for 3 stages"),
    "seed": (["generate", "a cat", "--seed", "-1"], "'--seed'"),
    "num images": (["generate", "a cat", "--num-images", "0"], "'--num-images'"),
    "too many": (["generate", "a cat", "--num-images", "99999"], "at most 10,000"),
    "use": (["generate", "a cat", "--use", "t6"], "unknown role 't6'"),
    "missing role": (["generate", "a cat", "--use", "clip_text"], "no clip_text encoder"),
    "model": (["generate", "a cat", "--model", "./nowhere"], "no model folder './nowhere'"),
    "text as picture": (["generate", "a cat", "--start-from", "notes.txt"], "is not a picture"),
    "1 pixel": (["generate", "a cat", "--start-from", "dot.png"], "1x1 pixels"),
    "no prompts": (["generate", "--prompts", "empty.txt"], "has no prompts"),
    "prompts missing": (["generate", "--prompts", "no.txt"], "cannot read the prompts"),
    "prompts binary": (["generate", "--prompts", "dot.png"], "not a UTF-8 text file"),
    "folder as output": (["generate", "a cat", "-o", "sub.png"], "it is a folder"),
    "no folder": (["generate", "a cat", "-o", "no/cat.png"], "there is no folder no"),
    "no picture": (["generate", "a cat", "-o", "cat.gif"], "written as .png, .jpg, .webp"),
    "model name": (["generate", "a cat", "--model", "x" * 300], "no model folder"),
    "folder is a file": (["generate", "--prompts", "one.txt", "-o", "notes.txt"], "no folder"),
    "20,000 pixels": (["generate", "a cat", "--start-from", "huge.png"], "huge.png is too large"),
    "preview": (["generate", "a cat", "-o", "my.png", "--preview"], "overwrite my.preview.png"),
    "cut model": (["generate", "--prompts", "one.txt", "-m", "cut"], "is damaged: sha256"),
    "flipped model": (["generate", "--prompts", "one.txt", "-m", "flipped"], "is damaged: sha256"),
    "info": (["info", "./nowhere"], "no model folder"),
    "info of a cut model": (["info", "cut"], "model.safetensors is damaged: sha256"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case: str, model_folder: Path, here: Path, capsys: Capture) -> None:
    (here / "notes.txt").write_text("not a picture")
    (here / "empty.txt").write_text("\n")
    (here / "one.txt").write_text("a cat\n")
    (here / "my.preview.png").write_text("the user's own")
    (here / "sub.png").mkdir()
    Image.new("RGB", (1, 1)).save("dot.png")
    args, complaint = BAD[case]
    if "huge.png" in args:
        Image.new("1", (20_000, 20_000)).save("huge.png")
    if {"cut", "flipped"} & set(args):
        damage(Path(shutil.copytree(model_folder, args[-1])), args[-1])
    before = names(here)
    if args[0] == "generate" and not {"--model", "-m"} & set(args):
        args = [*args, "--model", str(model_folder)]
    assert run(*args) == 2
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert out == "" and len(lines) == 1, err
    assert lines[0].startswith("error: ") and complaint in lines[0]
    assert names(here) == before
    assert (here / "my.preview.png").read_text() == "the user's own"


def damage(model: Path, kind: str) -> None:
    """Half of the weights of a stage, or all of them with one byte changed."""
    weights = model / "sr256" / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[len(data) // 2] ^= 1
    weights.write_bytes(data if kind == "flipped" else data[: len(data) // 2])


def test_start_from_20_000_pixels_wide(model_folder: Path, here: Path, capsys: Capture) -> None:
    Image.new("RGB", (20_000, 16), "red").save("wide.png")
    options = ["-o", "big.png", "--start-from", "wide.png", "--seed", 0]
    assert run("generate", "a red fox", "-m", model_folder, *options) == 0
    assert "note: the picture to start from is 20000x16: its middle" in capsys.readouterr().err
    with Image.open("big.png") as image:
        assert image.size == (256, 256)


@pytest.mark.parametrize("steps", ["999,1,1", "1,999,1", "1,1,999"])
def test_ctrl_c_in_every_stage(steps: str, model_folder: Path, here: Path, capsys: Capture) -> None:
    # a shell starts background jobs, such as a test run, with SIGINT ignored
    signal.signal(signal.SIGINT, signal.default_int_handler)

    def interrupt() -> None:
        while not Path("fox.preview.png").exists():
            time.sleep(0.01)
        time.sleep(0.3)  # the other stages take one step each
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    options = ["-o", "fox.png", "-m", model_folder, "--preview", "--steps", steps]
    assert run("generate", "a red fox", *options) == 130
    assert capsys.readouterr().err == "interrupted\n"
    assert names(here) == []
