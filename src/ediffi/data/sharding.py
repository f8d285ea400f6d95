"""Pictures that were imported, written again to shards of a given size."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ediffi.data.shard_set import ShardSet
from ediffi.data.shards import ShardWriter

Done = Callable[[int], None]


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
