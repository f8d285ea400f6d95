"""Scenes, or pictures that were imported, written to shards of a given size."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PIL import Image

from ediffi.data.collection import Scenes
from ediffi.data.importing import encoded
from ediffi.data.readers.record import Record
from ediffi.data.shard_set import ShardSet
from ediffi.data.shards import ShardWriter
from ediffi.errors import UserError

Done = Callable[[int], None]


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
                licence=", ".join(sorted({cell.licence for cell in shown})),
                cells=tuple((cell.hexcode, cell.style) for cell in shown),
            )
            shards.add(record, encoded(Image.fromarray(scenes.pixels(index, size))))
            on_done(index + 1)


def reshard(
    shard_set: ShardSet, target: Path, *, shard_size: int, on_done: Done = lambda count: None
) -> None:
    """Write an imported collection again, in shards of another size and in a shuffled order, so
    that every shard is a fair sample of the whole.

    Raises:
        UserError: a shard is damaged, or `target` cannot be written.
    """
    with ShardWriter(target, shard_size=shard_size) as shards:
        for index in range(len(shard_set)):
            shards.add(*shard_set.stored(index))
            on_done(index + 1)
