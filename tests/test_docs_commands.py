"""Every command in the documents is one that exists; tutorials are run with tiny things."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from PIL import Image

from ediffi.cli.main import UsageProblem, app, main
from ediffi.train.config import Recipe

ROOT = Path(__file__).parent.parent
PAGES = [
    *sorted(ROOT.glob("*.md")),
    *(page for page in sorted((ROOT / "docs").rglob("*.md")) if "results" not in page.parts),
]
PROGRAMS = {("ediffi",): "ediffi", ("python", "-m", "studies"): "studies"}
FENCE = re.compile(r"^ *```(\w*)[^\n]*\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"^(?: {4}.*\n)+", re.MULTILINE)
INLINE = re.compile(r"`([^`\n]+)`")

Command = tuple[str, list[str]]
"""A program and its arguments."""


def programs(line: str) -> Iterator[Command]:
    """Our programs that a line of shell calls, wherever they stand: `.venv/bin/ediffi`, after &&,
    behind variables."""
    words = shlex.shlex(line, posix=True, punctuation_chars=True)
    words.whitespace_split = True
    try:
        parts = groupby(words, lambda word: set(word) <= set("&|;<>()"))
        calls = [list(part) for operator, part in parts if not operator]
    except ValueError:  # an apostrophe: prose, not shell
        return
    for call in calls:
        while call and re.fullmatch(r"[A-Z_]+=.*", call[0]):
            del call[0]
        if call[:1] == ["torchrun"] and "-m" in call:
            call = [word for word in call[call.index("-m") + 1 :] if word != "--"]
        for start, name in PROGRAMS.items():
            head = [call[0].rpartition("/")[2], *call[1:]] if call else []
            if tuple(head[: len(start)]) == start:
                yield name, head[len(start) :]


def commands(page: Path) -> list[Command]:
    """All in the code blocks of a page, in order."""
    text = page.read_text()
    fenced = [code for language, code in FENCE.findall(text) if language in ("", "sh", "console")]
    blocks = [*fenced, *INDENTED.findall(FENCE.sub("", text))]
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return [command for line in lines for command in programs(line)]


def mentions(page: Path) -> list[Command]:
    """All in the sentences of a page, often shortened: `ediffi train clip`."""
    text = INDENTED.sub("", FENCE.sub("", page.read_text()))
    return [command for code in INLINE.findall(text) for command in programs(code)]


def root(name: str) -> Any:
    if name == "ediffi":
        return typer.main.get_command(app)
    from studies.__main__ import app as studies

    return typer.main.get_command(studies)


def cases(read: Any) -> list[Any]:
    found = ((page, name, args) for page in PAGES for name, args in read(page))
    unique = dict.fromkeys((page, name, *args) for page, name, args in found)
    return [
        pytest.param(name, args, id=f"{page.relative_to(ROOT)}: {name} {' '.join(args)}")
        for page, name, *args in unique
    ]


@pytest.mark.parametrize(("name", "args"), cases(commands))
def test_command_is_understood(name: str, args: list[str]) -> None:
    """By the real parser, down to the last option; nothing is run."""
    try:
        context = root(name).make_context(name, list(args))
        while hasattr(context.command, "resolve_command"):
            rest = [*context._protected_args, *context.args]
            word, command, rest = context.command.resolve_command(context, rest)
            context = command.make_context(word, rest, parent=context)
    except typer.Exit:
        assert "--help" in args
    except UsageProblem as error:
        pytest.fail(error.format_message(), pytrace=False)


@pytest.mark.parametrize(("name", "args"), cases(mentions))
def test_what_is_mentioned_exists(name: str, args: list[str]) -> None:
    """The command, and each option that is named."""
    command, rest = root(name), list(args)
    while rest and hasattr(command, "commands") and not rest[0].startswith("-"):
        word = rest.pop(0)
        if word == "COMMAND":  # any of them
            return
        assert word in command.commands, f"no command {word!r}"
        command = command.commands[word]
    known = {"--help", *(flag for p in command.params for flag in (*p.opts, *p.secondary_opts))}
    assert {word.partition("=")[0] for word in rest if word.startswith("--")} <= known


def test_pages_have_commands() -> None:
    """So that the tests above cannot pass by finding none."""
    assert len(cases(commands)) > 60 and len(cases(mentions)) > 20


@pytest.mark.filterwarnings("ignore::ediffi.core.errors.Notice")
def test_the_makers_tutorial_is_run(
    whole_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every command in its order, with a tiny model of 16, 64 and 256 pixels."""
    shutil.copytree(ROOT / "docs" / "examples", tmp_path / "docs" / "examples")
    (tmp_path / "prompts.txt").write_text("a red fox\na rocket\n")
    monkeypatch.chdir(tmp_path)
    for name, args in commands(ROOT / "docs" / "tutorials" / "maker.md"):
        model = [str(whole_folder)] if args == ["info"] else ["--model", str(whole_folder)]
        assert (name, main([*args, *model])) == ("ediffi", 0), args
    drawn = {path.name for path in tmp_path.glob("*.png")}
    assert {"fox.png", "cat-6.png", "large-cat.png", "painted.png", "mixed.png"} <= drawn
    assert len(list((tmp_path / "pictures").iterdir())) == 2 and "foxes-4.png" in drawn


def test_the_model_builders_pictures_are_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first command of the tutorial and the recipe, on twelve pictures."""
    (tmp_path / "my-pictures").mkdir()
    for number in range(12):
        noise = np.random.default_rng(number).integers(0, 256, (4, 4, 3), np.uint8)
        picture = Image.fromarray(noise).resize((80, 80), Image.Resampling.NEAREST)
        picture.save(tmp_path / "my-pictures" / f"{number:03}.png")
        (tmp_path / "my-pictures" / f"{number:03}.txt").write_text(f"picture {number}\n")
    monkeypatch.chdir(tmp_path)
    found = commands(ROOT / "docs" / "tutorials" / "model-builder.md")
    imported = next(args for _, args in found if args[:2] == ["data", "import"])
    assert main(imported) == 0 and (tmp_path / "my-shards" / "shards.json").is_file()
    for args in (args for _, args in found if "--show" in args):
        capsys.readouterr()
        assert main(args) == 0
        assert Recipe.model_validate_json(capsys.readouterr().out).stage == "base"
