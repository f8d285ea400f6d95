"""`ediffi evaluate`: measure a model by a written protocol."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from ediffi.errors import UserError

PROTOCOLS = ("first-weights", "layout")


def evaluate(
    model: Annotated[str, typer.Argument(help="Model that ships with ediffi, or its folder.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the results.")],
    protocol: Annotated[
        str, typer.Option(help=f"What to measure: {' or '.join(PROTOCOLS)}.")
    ] = PROTOCOLS[0],
    prompts: Annotated[
        Path | None,
        typer.Option(help="Fixed prompts or layouts, a JSON object a line. Default: its own."),
    ] = None,
    cache: Annotated[Path | None, typer.Option(help="Where the grid was built.")] = None,
) -> None:
    """Draw a protocol's fixed prompts, measure them, write figures and sheets.

    Run it again after an interruption: pictures that are drawn are kept. Needs the extra
    `evaluate` and the built grid. Example:

    ediffi evaluate pictogram --protocol first-weights -o docs/results

    ediffi evaluate pictogram --protocol layout -o docs/results
    """
    if protocol not in PROTOCOLS:
        raise UserError(f"no protocol {protocol!r}: known are {', '.join(PROTOCOLS)}")
    from ediffi.cascade import Cascade
    from ediffi.data.grid import Grid
    from ediffi.evaluate import first_weights, layout
    from ediffi.evaluate.layouts import LAYOUTS
    from ediffi.evaluate.prompts import FIRST_WEIGHTS

    cascade, grid = Cascade.from_pretrained(model), Grid.load(cache)
    with _bars() as report:
        if protocol == "layout":
            results = layout.run(cascade, prompts or LAYOUTS, output, grid=grid, report=report)
        else:
            rows = prompts or FIRST_WEIGHTS
            results = first_weights.run(cascade, rows, output, grid=grid, report=report)
            results["upscalers"].pop("by_picture")
    typer.echo(json.dumps(results, indent=2))


@contextmanager
def _bars() -> Iterator[Callable[[str, int, int], None]]:
    """A progress bar for each thing that is reported on."""
    from rich.console import Console
    from rich.progress import Progress, TaskID

    tasks: dict[str, TaskID] = {}
    with Progress(console=Console(stderr=True)) as progress:

        def report(what: str, more: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what, total=total)
            progress.advance(tasks[what], more)

        yield report
