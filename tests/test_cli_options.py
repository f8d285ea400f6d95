"""Numbers that nobody means, to every numeric option of every command: never a traceback."""

from __future__ import annotations

import inspect
import json
import shutil
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from PIL import Image
from typer.models import ArgumentInfo, OptionInfo

from ediffi.cli.main import app, main

HUGE = "9" * 30
HOSTILE = ["nan", "inf", "-0.0", "0", "-1", HUGE, "9" * 5000, "1e308", "1e-320", "0x10", "1,2", ""]
TEXTS_WITH_NUMBERS = ("steps", "guidance", "dropout")  # such as 24,5,4
INPUTS = ("data", "cache", "model", "from", "source", "config", "clip")  # where work would begin


def commands(group: typer.Typer, path: str = "") -> Iterator[tuple[str, Callable[..., Any]]]:
    for command in group.registered_commands:
        assert command.callback is not None
        yield f"{path} {command.name or command.callback.__name__}".strip(), command.callback
    for inner in group.registered_groups:
        assert inner.typer_instance is not None
        yield from commands(inner.typer_instance, f"{path} {inner.name}".strip())


COMMANDS = dict(commands(app))


def parameters(callback: Callable[..., Any]) -> Iterator[tuple[str, Any, bool, bool]]:
    """(spelling, its type or types, whether it is an argument, whether it is required)."""
    hints = typing.get_type_hints(callback, include_extras=True)
    for name, parameter in inspect.signature(callback).parameters.items():
        if hints[name] is typer.Context:
            continue
        kind, info, *_ = typing.get_args(hints[name])
        given = [d for d in info.param_decls or () if d.startswith("--")]
        spelling = given[0] if given else f"--{name.replace('_', '-')}"
        assert isinstance(info, ArgumentInfo | OptionInfo)
        required = parameter.default is inspect.Parameter.empty
        yield spelling, typing.get_args(kind) or (kind,), isinstance(info, ArgumentInfo), required


def numeric(callback: Callable[..., Any]) -> list[str]:
    return [
        spelling
        for spelling, kinds, argument, _ in parameters(callback)
        if not argument and (int in kinds or float in kinds or spelling[2:] in TEXTS_WITH_NUMBERS)
    ]


def arguments(command: str, callback: Callable[..., Any], model: Path) -> list[str]:
    """What lets a command end soon: a tiny model to draw with, else inputs that are nowhere."""
    if command in ("generate", "paint", "vary"):
        what = {"vary": ["red.png"]}.get(command, ["a red fox"])
        regions = ["--regions", "regions.json"] if command == "paint" else []
        return [*what, *regions, "-m", str(model), "--stop-at", "64", "-o", "out.png"]
    given: list[str] = []
    for spelling, _, argument, required in parameters(callback):
        if argument:
            given += ["nowhere"]
        elif required or spelling[2:] in INPUTS:
            given += [spelling, "nowhere"]
    return given


@pytest.fixture(autouse=True)
def tiny_inputs(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"):  # no pictures fetched before
        monkeypatch.setenv(variable, str(here / "home"))
    Image.new("RGB", (28, 28), "red").save("red.png")
    Path("regions.json").write_text(json.dumps([{"phrase": "fox", "box": [0, 0, 0.5, 1]}]))


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.filterwarnings("ignore::ediffi.core.errors.Notice")
def test_a_picture_or_one_line(
    command: str, whole_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    callback = COMMANDS[command]
    rest = arguments(command, callback, whole_folder)
    for option in numeric(callback):
        for value in HOSTILE:
            if command.startswith("bench") and value == HUGE:
                continue  # would be done as asked, for as long as it takes
            args = [*command.split(), *rest, option, value]
            code = main(args)
            errors = [line for line in capsys.readouterr().err.splitlines() if "error:" in line]
            assert (code, len(errors)) in ((0, 0), (2, 1)), (args, errors)
            assert all(len(line) < 500 for line in errors), (args, errors)


def test_style_weights(whole_folder: Path, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rest = ["-m", str(whole_folder), "--stop-at", "16", "-o", "out.png"]
    for value in ("nan", "inf", "-0.0", "0", "-1", "1e308"):
        code = main(["generate", "a red fox", *rest, "--style", f"red.png:{value}"])
        assert code == (0 if value == "1e308" else 2)
        assert capsys.readouterr().err.count("error:") == (code == 2)


@pytest.mark.parametrize("sampler", ["heun", "dpmpp_2m"])
def test_one_noise_level(
    sampler: str, model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A stage whose sigma_min is its sigma_max draws in one step, and in no more."""
    from ediffi.model import ModelFolder, save_model

    folder = Path(shutil.copytree(model_folder, "one"))
    opened = ModelFolder(folder)
    base = opened.config.stages[0]
    sampling = base.sampling.model_copy(update={"sigma_min": 2.0, "sigma_max": 2.0, "num_steps": 1})
    stages = (base.model_copy(update={"sampling": sampling}), *opened.config.stages[1:])
    save_model(folder, opened.config.model_copy(update={"stages": stages}), {})
    rest = ["-m", "one", "--stop-at", "16", "-o", "out.png", "--sampler", sampler]
    assert main(["generate", "a red fox", *rest]) == 0
    assert main(["generate", "a red fox", *rest, "--steps", "1"]) == 0
    assert main(["generate", "a red fox", *rest, "--steps", "2"]) == 2
    assert "too near for 2 steps" in capsys.readouterr().err


def test_the_whole_tree_is_walked() -> None:
    assert {"generate", "paint", "vary", "info", "train base", "data import"} <= set(COMMANDS)
    assert "--style-strength" in numeric(COMMANDS["generate"])
    assert "--steps" in numeric(COMMANDS["vary"]) and "--weight" in numeric(COMMANDS["paint"])
