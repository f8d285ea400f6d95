"""`ediffi`: the commands, and how every one of them ends when something is wrong."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import typer

from ediffi.cli import bench, data, evaluate, experiment, experts, keys, train
from ediffi.cli.attribute import attribute
from ediffi.cli.compare import compare
from ediffi.cli.encode import encode
from ediffi.cli.generate import generate
from ediffi.cli.info import info
from ediffi.cli.mcp import mcp
from ediffi.cli.paint import paint
from ediffi.cli.serve import serve
from ediffi.cli.vary import vary
from ediffi.cli.verify import verify
from ediffi.core.errors import Notice, UserError

# Modules of commands import torch and the like only inside their functions: --help must be instant.
app = typer.Typer(
    name="ediffi",
    help="A sentence becomes a picture, with a cascade of diffusion models.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(generate)
app.command()(paint)
app.command()(vary)
app.command()(info)
app.command()(encode)
app.command()(attribute)
app.command()(serve)
app.command()(mcp)
app.command()(verify)
app.add_typer(keys.app, name="keys")
app.add_typer(evaluate.app, name="evaluate")
app.command()(compare)
app.add_typer(data.app, name="data")
app.add_typer(experiment.app, name="experiment")
app.add_typer(experts.app, name="experts")
app.add_typer(bench.app, name="bench")
app.add_typer(train.app, name="train")

UsageProblem: Any = typer.BadParameter.__mro__[2]  # ClickException, wherever typer keeps it


def main(args: Sequence[str] | None = None, app: typer.Typer = app) -> int:
    """Run one command; returns the exit code: 0, 2 for bad input, 130 when interrupted."""
    try:
        with _notes():
            code = app(args=args, prog_name=app.info.name, standalone_mode=False)
    except UserError as error:
        return _fail(str(error))
    except UsageProblem as error:
        # A group of commands called without one: typer has printed its help and says no more.
        message = error.format_message()
        return _fail(message) if message else 0
    except (KeyboardInterrupt, typer.Abort):
        code = 130
    if code == 130:
        print("interrupted", file=sys.stderr)
    return code or 0


def _fail(message: str) -> int:
    print("error:", " ".join(message.split()), file=sys.stderr)
    return 2


@contextmanager
def _notes() -> Iterator[None]:
    """Every `Notice` becomes one "note: ..." line on stderr, said once."""
    said: set[str] = set()
    ordinary = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *rest: Any) -> None:
        if not issubclass(category, Notice):
            ordinary(message, category, *rest)
        elif str(message) not in said:
            said.add(str(message))
            print("note:", " ".join(str(message).split()), file=sys.stderr)

    with warnings.catch_warnings():
        warnings.simplefilter("always", Notice)
        warnings.showwarning = show  # type: ignore[assignment]
        yield


if __name__ == "__main__":
    sys.exit(main())
