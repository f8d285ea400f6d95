"""`ediffi data compose` and `ediffi data shard`: scenes of the pictogram grid, and shards."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ediffi.cli.display import work_bars
from ediffi.core.errors import UserError

if TYPE_CHECKING:
    from ediffi.pictogram.composer import Composer

Style = Annotated[list[str] | None, typer.Option(help="Style of scenes; repeat for several.")]
EveryConcept = Annotated[
    bool, typer.Option("--all", help="All concepts, not only the default vocabulary.")
]
Size = Annotated[int, typer.Option(min=16, max=1024, help="Pixels of each scene.")]
ShardSize = Annotated[int, typer.Option(min=1, help="Pictures in a shard.")]


def open_composer(
    seed: int, style: list[str] | None, every_concept: bool, cache: Path | None
) -> Composer:
    """The composer of these scenes."""
    from ediffi.pictogram.composer import DEFAULT_STYLES, Composer, SceneConfig, vocabulary
    from ediffi.pictogram.grid import Grid

    concepts = None if every_concept else tuple(vocabulary())
    styles = tuple(style) if style else DEFAULT_STYLES
    return Composer(Grid.load(cache), SceneConfig(seed=seed, concepts=concepts, styles=styles))


def compose(
    seed: Annotated[int, typer.Option(help="Seed of the scenes.")] = 0,
    num_images: Annotated[int, typer.Option(min=1, max=1024)] = 32,
    output: Annotated[Path, typer.Option("--output", "-o", help="Picture to write.")] = Path(
        "sheet.png"
    ),
    size: Size = 128,
    style: Style = None,
    every_concept: EveryConcept = False,
    masks: Annotated[
        bool, typer.Option("--masks", help="Beside each picture, what the caption's phrases name.")
    ] = False,
    cache: Annotated[Path | None, typer.Option(help="Where the grid was built.")] = None,
) -> None:
    """Write a contact sheet of training scenes with their captions. Examples:

    ediffi data compose --seed 0 --num-images 32 -o sheet.png

    ediffi data compose --masks --style noto --num-images 64 -o sheet.webp

    ediffi data compose --all --style emojione-monotone --size 96
    """
    import numpy as np

    from ediffi.pictogram.sheet import contact_sheet, overlay

    composer = open_composer(seed, style, every_concept, cache)
    scenes = [composer.scene(index) for index in range(num_images)]
    captions = [scene.captions[0] for scene in scenes]
    images = [composer.render(scene, size) for scene in scenes]
    if masks:
        tinted = (overlay(i, composer.masks(s, size)) for i, s in zip(images, scenes, strict=True))
        images = [np.hstack(pair) for pair in zip(images, tinted, strict=True)]
    spans = [caption.spans for caption in captions] if masks else None
    try:
        contact_sheet(images, [caption.text for caption in captions], spans=spans).save(output)
    except (OSError, ValueError) as error:
        raise UserError(f"cannot write {output}: {error}") from error
    typer.echo(f"wrote {output}: {num_images} scenes, seed {seed}")


def shard(
    output: Annotated[Path, typer.Option("--output", "-o", help="New folder for the shards.")],
    source: Annotated[
        Path | None, typer.Argument(help="Folder of shards to write anew. Default: scenes.")
    ] = None,
    num_images: Annotated[int, typer.Option(min=1, help="Scenes to write.")] = 8_192,
    size: Size = 256,
    seed: Annotated[int, typer.Option(min=0, help="Of the scenes, or of the new order.")] = 0,
    style: Style = None,
    every_concept: EveryConcept = False,
    shard_size: ShardSize = 2_000,
) -> None:
    """Write scenes, or shards again in another size and a shuffled order, as WebDataset shards.

    ediffi data shard -o scenes --num-images 10000 --size 256 --all

    ediffi data shard my-shards -o smaller --shard-size 500
    """
    from ediffi.data.shard_set import ShardSet
    from ediffi.data.sharding import reshard
    from ediffi.pictogram.scenes import Scenes
    from ediffi.pictogram.sharding import shard_scenes

    shards = None if source is None else ShardSet(source, seed=seed)
    with work_bars() as bars:
        task = bars.add_task("pictures", total=num_images if shards is None else len(shards))

        def on_done(count: int) -> None:
            bars.update(task, completed=count)

        if shards is not None:
            reshard(shards, output, shard_size=shard_size, on_done=on_done)
        else:
            scenes = Scenes(open_composer(seed, style, every_concept, None))
            shard_scenes(scenes, num_images, size, output, shard_size=shard_size, on_done=on_done)
    files = list(output.glob("*.tar"))
    total = sum(file.stat().st_size for file in files)
    typer.echo(f"{output}: {len(files)} shards, {total / 1e6:.1f} MB")
