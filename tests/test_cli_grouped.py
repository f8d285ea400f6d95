"""Commands whose options are fields of dataclasses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import pytest
import typer

from ediffi.cli.grouped import grouped
from ediffi.cli.main import main


@dataclass(frozen=True, kw_only=True)
class Size:
    side: Annotated[int, typer.Option("--side", "-s", min=8, help="Pixels.")] = 64
    square: bool = True


def test_fields_are_options_and_the_command_gets_the_dataclass(
    capsys: pytest.CaptureFixture[str],
) -> None:
    app, got = typer.Typer(name="tool"), []

    @app.command()
    @grouped
    def measure(name: str, *, size: Size, times: int = 1) -> None:
        """What it does."""
        got.append((name, size, times))

    assert main(["fox", "-s", "128", "--no-square"], app) == 0
    assert main(["owl", "--times", "3"], app) == 0
    assert got == [("fox", Size(side=128, square=False), 1), ("owl", Size(), 3)]
    assert main(["fox", "--side", "7"], app) == 2
    assert "--side" in capsys.readouterr().err
    assert main(["--help"], app) == 0
    shown = capsys.readouterr().out
    assert "What it does." in shown and "Pixels." in shown and "--no-square" in shown
