"""`ediffi experiment experts`: the chain of commands that it is."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from helpers.cli import run


def chain(capsys: pytest.CaptureFixture[str], *options: object) -> list[list[str]]:
    """The commands, as `--list` prints them."""
    assert run("experiment", "experts", "-m", "pictogram", "-o", "out", *options, "--list") == 0
    return [shlex.split(line) for line in capsys.readouterr().out.splitlines()]


def test_every_arm_gets_the_images_of_all_nodes(capsys: pytest.CaptureFixture[str]) -> None:
    commands = chain(capsys, "--num-images", 100, "--left", 1, "--right", 2, "--seeds", "0,1")
    kinds = [tuple(command[1:3]) for command in commands]
    nodes = kinds.count(("train", "expert")) // 4  # two forms, two seeds
    assert nodes == 4  # 1.0, 1.1 and 2.3, and what lies between
    trained = [command for command in commands if command[1:3] == ["train", "base"]]
    assert len(trained) == 4  # trained on, and with a wider p(sigma), twice
    for command in trained:
        assert command[command.index("--num-images") + 1] == str(100 * nodes)
    assert kinds.count(("evaluate", "run")) == 2 * 6
    assert not Path("out").exists()


def test_only_what_an_arm_needs_is_run(capsys: pytest.CaptureFixture[str]) -> None:
    kinds = [tuple(command[1:3]) for command in chain(capsys, "--arms", "root,parent")]
    assert kinds == [("train", "base"), ("evaluate", "run"), ("evaluate", "run")]
    merged = chain(capsys, "--arms", "merged")
    assert [c for c in merged if c[1] == "evaluate"] == [merged[-1]]
    swaps = [c for c in chain(capsys, "--arms", "copies", "--swaps") if "--without" in c]
    assert [c[c.index("--without") + 1] for c in swaps] == ["3.0", "rest", "3.7"]


def test_an_unknown_arm_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("experiment", "experts", "-m", "pictogram", "-o", "out", "--arms", "best") == 2
    assert "no arm 'best'" in capsys.readouterr().err
