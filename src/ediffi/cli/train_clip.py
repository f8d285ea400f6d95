"""`ediffi train clip`: a CLIP of our own for the `clip_text` and `clip_image` roles."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ediffi.cli.display import work_bars
from ediffi.cli.options import DeviceName
from ediffi.cli.training import Device, ranked, run_to_end
from ediffi.core.errors import UserError


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
    device: Device = DeviceName.auto,
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
    from ediffi.train.clip import clip_state
    from ediffi.train.clip_config import clip_preset
    from ediffi.train.clip_examples import ClipExamples
    from ediffi.train.clip_folder import GivenClip, check_output, save_clip

    check_output(output)
    grid = Grid.load()
    config = clip_preset(preset, tuple(grid.concepts))
    scenes = config.scenes.model_copy(update={"seed": seed})
    changes: dict[str, Any] = {"scenes": scenes, "seed": seed, "data": grid.fingerprint}
    if num_images:
        changes["schedule.num_images"] = num_images
    config = config.changed(changes)
    text = None if keep_text is None else GivenClip.read(keep_text)
    if text is not None:
        config = text.keep_text(config)
    eyes = None if pictures is None else GivenClip.read(pictures)
    if eyes is not None:
        config = eyes.give_pictures(config)
    run_dir = run or cache_root() / "runs" / f"{preset}-clip"
    with work_bars(stderr=False) as bars:
        compose = bars.add_task("composing, scenes", total=config.num_scenes)
        examples = ClipExamples(
            config,
            Composer(grid, scenes),
            run_dir,
            lambda more, total: bars.advance(compose, more),
        )
        bars.update(compose, completed=config.num_scenes)
    with ranked(device) as ranks:
        if ranks.world > 1:
            raise UserError("a CLIP is trained by one process: start `ediffi train clip` itself")
        state, tokenizer = clip_state(config, examples, text, eyes, ranks)
        run_to_end(state, run_dir, examples)
    save_clip(output, state.model.clip, tokenizer)
    size = (output / "model.safetensors").stat().st_size
    typer.echo(f"{output}: a CLIP of {size / 1e6:.1f} MB after {state.images:,} images")
