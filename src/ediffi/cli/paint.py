"""`ediffi paint`: `generate`, with phrases of the prompt painted where they belong."""

from __future__ import annotations

import inspect
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ediffi.cli.generate import draw, generate
from ediffi.core.errors import UserError

if TYPE_CHECKING:
    from ediffi.paint import Painting


class Scale(StrEnum):
    max = "max"
    std = "std"


class Growth(StrEnum):
    sigma = "sigma"
    squared = "sigma-squared"


def paint(
    map: Annotated[
        Path | None, typer.Option("--map", help="A picture, each phrase's place in its colour.")
    ] = None,
    palette: Annotated[
        Path | None, typer.Option(help='JSON: {"#ff0000": "words of the prompt", ...}.')
    ] = None,
    regions: Annotated[
        Path | None, typer.Option(help="JSON list of phrases and masks, instead of a map.")
    ] = None,
    weight: Annotated[
        float | None,
        typer.Option(min=0, max=100, help="Of all regions, the paper's w'. Default: 0.5."),
    ] = None,
    scale: Annotated[
        Scale | None, typer.Option(help="Weights in units of the scores' max (the paper's) or std.")
    ] = None,
    growth: Annotated[
        Growth | None, typer.Option(help="With log(1 + sigma), the paper's, or its square.")
    ] = None,
    placed: Annotated[
        bool | None,
        typer.Option(
            "--placed/--attention-only",
            help="Let the sketch put things where they are painted (default), or paint in "
            "attention alone, as the paper does.",
        ),
    ] = None,
    **options: Any,
) -> None:
    """Draw a picture of a sentence, with its phrases where you painted them.

    Takes a colour map with a palette, or a list of regions; and every option of `generate`.
    Without --palette, the map's colours are shown. Examples:

    ediffi paint "a cat next to a rocket" --map map.png --palette palette.json -o out.png

    ediffi paint "a cat next to a rocket" --regions regions.json --weight 1.5 --stop-at 64
    """
    forms = {"scale": scale, "growth": growth, "placed": placed}
    asked = {name: value for name, value in forms.items() if value is not None}

    def read() -> Painting:
        return _painting(map, palette, regions, {} if weight is None else {"weight": weight}, asked)

    draw(**options, painted=read)


def _painting(
    map: Path | None,
    palette: Path | None,
    regions: Path | None,
    changes: dict[str, Any],
    form: dict[str, Any],
) -> Painting:
    from dataclasses import replace

    from ediffi.paint import from_map, from_regions, no_palette, read_json

    if (map is None) == (regions is None):
        raise UserError("give either --map with --palette, or --regions")
    if regions is not None:
        if palette is not None:
            raise UserError("--palette belongs to --map; regions name their phrases themselves")
        painting = from_regions(read_json(regions, "--regions"), folder=regions.parent)
    elif map is not None:
        if palette is None:
            raise no_palette(map)
        painting = from_map(map, read_json(palette, "--palette"))
    if painting.coverage is not None:
        typer.echo(painting.coverage.line(), err=True)
    return replace(painting, form=replace(painting.form, **form), **changes)


def _with_options_of_generate() -> None:
    """Give `paint` the parameters of `generate` in place of **options."""
    theirs = list(inspect.signature(generate, eval_str=True).parameters.values())
    ours = list(inspect.signature(paint, eval_str=True).parameters.values())[:-1]
    both = [*theirs[:2], *ours, *theirs[2:]]  # the prompt and the output come first
    paint.__signature__ = inspect.Signature(both)  # type: ignore[attr-defined]


_with_options_of_generate()
