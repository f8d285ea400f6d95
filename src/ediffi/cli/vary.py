"""`ediffi vary`: other pictures like a picture, without a word."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ediffi.cli import options as opt
from ediffi.cli.display import Clock
from ediffi.cli.drawing import Files, draw
from ediffi.cli.grouped import grouped


@grouped
def vary(
    picture: Annotated[Path, typer.Argument(help="The picture to vary.")], *, drawing: opt.Drawing
) -> None:
    """Draw variations of a picture.

    Its CLIP image embedding is all that the model is told. Takes the options of `generate` that are
    not about words. Examples:

    ediffi vary fox.png -n 4 -o foxes.png

    ediffi vary fox.png --stop-at 64 --style-strength 0.7
    """
    clock = Clock()
    given = opt.given(clock, drawing, opt.Wording(style=[str(picture)]), texts=None)
    named = drawing.output or Path(f"{picture.stem}-variation.png")
    files = Files.of([""], drawing.num_images, named, in_folder=False)
    draw(given, files, clock, drawing)
