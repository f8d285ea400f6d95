"""`ediffi vary`: other pictures like a picture, without a word."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ediffi.cli import options as opt
from ediffi.cli.display import Clock
from ediffi.cli.drawing import Files, draw


def vary(
    picture: Annotated[Path, typer.Argument(help="The picture to vary.")],
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
) -> None:
    """Draw variations of a picture.

    Its CLIP image embedding is all that the model is told. Takes the options of `generate` that are
    not about words. Examples:

    ediffi vary fox.png -n 4 -o foxes.png

    ediffi vary fox.png --stop-at 64 --style-strength 0.7
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
    given = opt.given(clock, drawing, opt.Wording(style=[str(picture)]), texts=None)
    named = output or Path(f"{picture.stem}-variation.png")
    files = Files.of([""], num_images, named, in_folder=False)
    draw(given, files, clock, drawing)
