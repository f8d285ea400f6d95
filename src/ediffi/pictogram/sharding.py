"""Scenes written to shards of a given size."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from ediffi.core.errors import UserError
from ediffi.data.importing import encoded
from ediffi.data.readers.record import Record
from ediffi.data.sharding import Done
from ediffi.data.shards import ShardWriter
from ediffi.pictogram.scenes import Scenes


def shard_scenes(
    scenes: Scenes,
    num_images: int,
    size: int,
    target: Path,
    *,
    shard_size: int,
    on_done: Done = lambda count: None,
) -> None:
    """Write the first scenes of a composer as pictures of size x size pixels.

    Raises:
        UserError: the composer shows held-out pictures, or `target` cannot be written.
    """
    composer = scenes.composer
    if composer.config.split != "train":
        raise UserError(f"scenes of split {composer.config.split!r} are not for training shards")
    cells = {(cell.hexcode, cell.style): cell for cell in composer.cells}
    with ShardWriter(target, shard_size=shard_size) as shards:
        for index in range(num_images):
            scene = composer.scene(index)
            shown = [cells[item.hexcode, item.style] for item in scene.items]
            packages = sorted({f"{c.package.name} {c.package.version}" for c in shown})
            record = Record(
                name=f"scene {index}",
                picture=b"",
                captions=tuple(scenes.captions(index)),
                source=", ".join(packages),
                licence=" AND ".join(sorted({cell.licence for cell in shown})),
                cells=tuple((cell.hexcode, cell.style) for cell in shown),
            )
            shards.add(record, encoded(Image.fromarray(scenes.pixels(index, size))))
            on_done(index + 1)
