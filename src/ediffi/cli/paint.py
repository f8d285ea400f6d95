"""`ediffi paint`: `generate`, with phrases of the prompt painted where they belong."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ediffi.cli import options as opt
from ediffi.cli.display import Clock
from ediffi.cli.drawing import Files, draw
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
    prompt: opt.Prompt = None,
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
    output: opt.Output = None,
    model: opt.Model = "pictogram",
    seed: opt.Seed = None,
    num_images: opt.NumImages = 1,
    stop_at: opt.StopAt = None,
    start_from: opt.StartFrom = None,
    steps: opt.Steps = None,
    guidance: opt.Guidance = None,
    sampler: opt.Sampler = None,
    style_strength: opt.StyleStrength = None,
    style_stages: opt.StyleStages = None,
    safety: opt.Safety = None,
    preview: opt.Preview = False,
    dtype: opt.DType = opt.Precision.bf16,
    tile: opt.Tile = None,
    device: opt.Device = opt.DeviceName.auto,
    show: opt.Open = False,
    prompts: opt.Prompts = None,
    use: opt.Use = None,
    style: opt.Style = None,
    looks: opt.Looks = True,
    people: opt.People = None,
    anyway: opt.Anyway = False,
) -> None:
    """Draw a picture of a sentence, with its phrases where you painted them.

    Takes a colour map with a palette, or a list of regions; and every option of `generate`.
    Without --palette, the map's colours are shown. Examples:

    ediffi paint "a cat next to a rocket" --map map.png --palette palette.json -o out.png

    ediffi paint "a cat next to a rocket" --regions regions.json --weight 1.5 --stop-at 64
    """
    clock = Clock()
    drawing = opt.Drawing(
        output=output,
        model=model,
        seed=seed,
        num_images=num_images,
        stop_at=stop_at,
        start_from=start_from,
        steps=steps,
        guidance=guidance,
        sampler=sampler,
        style_strength=style_strength,
        style_stages=style_stages,
        safety=safety,
        preview=preview,
        dtype=dtype,
        tile=tile,
        device=device,
        show=show,
    )
    wording = opt.Wording(
        prompts=prompts,
        use=use,
        style=style,
        looks=looks,
        people=people,
        anyway=anyway,
    )
    texts = opt.read_prompts(prompt, prompts)
    form = {"scale": scale, "growth": growth, "placed": placed}
    painting = _painting(map, palette, regions, weight, form)
    given = opt.given(clock, drawing, wording, texts=texts, painting=painting, map=map)
    files = Files.of(texts, num_images, output, in_folder=prompts is not None)
    draw(given, files, clock, drawing)


def _painting(
    map: Path | None,
    palette: Path | None,
    regions: Path | None,
    weight: float | None,
    form: dict[str, Any],
) -> Painting:
    """What is painted; weight, form: instead of its own, where they are not None."""
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
    asked = {name: value for name, value in form.items() if value is not None}
    weight = painting.weight if weight is None else weight
    return replace(painting, weight=weight, form=replace(painting.form, **asked))
