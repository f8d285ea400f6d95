"""`ediffi train watermark`: the two networks of the mark in the pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ediffi.cli.training import fields_of, run_to_end


def watermark(
    output: Annotated[Path, typer.Option("--output", "-o", help="File that gets the weights.")],
    run: Annotated[
        Path | None,
        typer.Option(help="Folder of the run. Default: runs/watermark in the user's cache."),
    ] = None,
    num_images: Annotated[
        int | None, typer.Option(min=1, help="Images to train on; may be raised on resume.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of pictures, keys and fresh weights.")] = 0,
    changes_: Annotated[
        list[str] | None,
        typer.Option("--set", help="Any field of the recipe: --set strength=0.3."),
    ] = None,
) -> None:
    """Train the mark on scenes of the pictogram grid; the same command resumes it.

    Example:

    ediffi train watermark -o watermark.safetensors
    """
    from ediffi.output import check_writable
    from ediffi.pictogram.composer import Composer
    from ediffi.pictogram.grid import Grid
    from ediffi.pictogram.scene import SceneConfig
    from ediffi.pictogram.scenes import Scenes
    from ediffi.pictogram.sources import cache_root
    from ediffi.train.watermark import (
        SHOWN,
        WatermarkBatches,
        WatermarkConfig,
        save_watermark,
        watermark_state,
    )

    check_writable(output)
    scenes = Scenes(Composer(Grid.load(), SceneConfig(seed=seed)))
    changes: dict[str, Any] = {"seed": seed, **fields_of(changes_ or [])}
    if num_images:
        changes["schedule.num_images"] = num_images
    config = WatermarkConfig().changed(changes)
    batches = WatermarkBatches(config, lambda n: scenes.pixels(n, SHOWN))
    state = watermark_state(config)
    run_to_end(state, run or cache_root() / "runs" / "watermark", batches)
    save_watermark(state, output)
    size = output.stat().st_size
    typer.echo(f"{output}: {size / 1e3:.0f} kB after {state.images:,} images")
