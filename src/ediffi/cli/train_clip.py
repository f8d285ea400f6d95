"""`ediffi train clip`: a CLIP of our own for the `clip_text` and `clip_image` roles."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ediffi.cli.display import follow, work_bars


def clip(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder that gets the CLIP.")],
    preset: Annotated[
        str, typer.Option(help="Shape and recipe: pictogram, or tiny for a trial.")
    ] = "pictogram",
    run: Annotated[
        Path | None,
        typer.Option(help="Folder of the run. Default: runs/PRESET-clip in the user's cache."),
    ] = None,
    keep_text: Annotated[
        Path | None,
        typer.Option(
            help="CLIP folder whose texts stay as they are: only a new picture tower is trained, "
            "to fit them."
        ),
    ] = None,
    pictures: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help="CLIP folder whose picture tower this one starts from; its patches may be smaller "
            "than the preset's.",
        ),
    ] = None,
    num_images: Annotated[
        int | None, typer.Option(min=1, help="Images to train on; may be raised on resume.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of scenes, order and fresh weights.")] = 0,
) -> None:
    """Train a small CLIP on the pictogram grid; the same command resumes it.

    The folder is read like any CLIP of transformers, by ediffi and by others. Examples:

    ediffi train clip --output clip

    ediffi train clip --keep-text clip --output clip-2   # new eyes, the same words

    ediffi train clip --keep-text clip --from clip --output clip-2   # the same eyes, better

    ediffi train clip --preset tiny --run trial --output trial-clip   # a trial of seconds

    ediffi encode --role clip_image --encoder clip -o embeddings
    """
    from ediffi.pictogram.composer import Composer
    from ediffi.pictogram.grid import Grid
    from ediffi.pictogram.sources import cache_root
    from ediffi.train.clip import train_clip
    from ediffi.train.clip_config import clip_preset
    from ediffi.train.clip_examples import ClipExamples
    from ediffi.train.clip_folder import GivenPictures, KeptText, check_output, save_clip

    check_output(output)
    grid = Grid.load()
    config = clip_preset(preset, tuple(grid.concepts))
    text = None if keep_text is None else KeptText.read(keep_text)
    scenes = config.scenes.model_copy(update={"seed": seed})
    changes: dict[str, Any] = {"scenes": scenes, "seed": seed, "data": grid.fingerprint}
    if text is not None:
        changes |= {**text.shape, "kept_text": text.sha256}
    if num_images:
        changes["schedule.num_images"] = num_images
    config = config.changed(changes)
    given = None if pictures is None else GivenPictures.read(pictures)
    if given is not None:
        config = given.fit(config)
    run_dir = run or cache_root() / "runs" / f"{preset}-clip"
    typer.echo(f"run {run_dir}")
    with work_bars(stderr=False) as bars:
        compose = bars.add_task("composing, scenes", total=config.num_scenes)
        examples = ClipExamples(
            config,
            Composer(grid, scenes),
            run_dir,
            lambda more, total: bars.advance(compose, more),
        )
        bars.update(compose, completed=config.num_scenes)
        ticks = train_clip(config, run_dir, examples, text=text, pictures=given, report=typer.echo)
        state = follow(ticks, bars, config.schedule.num_images, _line)
    if state is None or state.images < config.schedule.num_images:
        raise typer.Exit(130)
    save_clip(output, state.model.clip, state.tokenizer)
    size = (output / "model.safetensors").stat().st_size
    typer.echo(f"{output}: a CLIP of {size / 1e6:.1f} MB after {state.images:,} images")


def _line(row: dict[str, Any]) -> str:
    return "  ".join(f"{name} {value:,}" for name, value in row.items())
