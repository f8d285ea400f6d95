"""Real pictures: what a model is asked for, what its pictures are compared with, and what judges
are fitted on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import safetensors.torch
import torch
from torch import Tensor

from ediffi.core.errors import UserError
from ediffi.core.files import make_folder, write_atomically
from ediffi.core.types import Pixels
from ediffi.evaluate.extractor import Extractor

Report = Callable[[str, int, int], None]
"""Told (what, how many more are done, of how many)."""
Tell = Callable[[int], None]
"""Told how many more are done."""


class Labels(NamedTuple):
    """What is known of a picture: the only thing it shows and its style, where they are known, and
    the drawing or shot it is of (pictures of the same one are not independent)."""

    concept: str | None = None
    style: str | None = None
    group: str = ""


class Source(Protocol):
    """Pictures by number, a pure function of the number and of `facts` (JSON)."""

    @property
    def facts(self) -> Any: ...

    def caption(self, number: int) -> str: ...

    def labels(self, number: int) -> Labels: ...

    def picture(self, number: int, side: int) -> Pixels:
        """(H, W, 3) uint8, of about `side` pixels."""


@dataclass(frozen=True)
class Examples:
    """Some pictures of a source. rows: their numbers there."""

    source: Source
    rows: Sequence[int]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def captions(self) -> list[str]:
        return [self.source.caption(row) for row in self.rows]

    @property
    def labels(self) -> list[Labels]:
        return [self.source.labels(row) for row in self.rows]

    def first(self, num: int) -> Examples:
        """The first `num`.

        Raises:
            UserError: there are fewer.
        """
        if num > len(self.rows):
            raise UserError(f"{num:,} pictures are asked for, at most {len(self.rows):,} are there")
        return replace(self, rows=self.rows[:num])

    def pictures(self, rows: Sequence[int], side: int) -> list[Pixels]:
        """Those at these places of the list."""
        return [self.source.picture(self.rows[row], side) for row in rows]

    def features(self, extractor: Extractor, side: int, folder: Path, tell: Tell) -> Tensor:
        """(N, D), kept in `folder` for the next time. side: of the pictures."""
        facts = [self.source.facts, list(self.rows), side, extractor.hash]
        return kept_features(
            folder / f"{digest(facts)[:24]}.safetensors",
            extractor,
            len(self),
            lambda rows: self.pictures(rows, side),
            tell,
        )


def kept_features(
    path: Path,
    extractor: Extractor,
    num: int,
    pictures: Callable[[Sequence[int]], Sequence[Pixels]],
    tell: Tell,
) -> Tensor:
    """Features (num, D) of pictures 0 to num - 1, from `path`, or computed and kept there."""
    if path.exists():
        tell(num)
        return safetensors.torch.load_file(path)["features"]
    parts = []
    for start in range(0, num, extractor.batch):
        rows = range(start, min(num, start + extractor.batch))
        parts.append(extractor(pictures(rows)))
        tell(len(rows))
    features = torch.cat(parts)
    make_folder(path.parent)
    write_atomically(path, safetensors.torch.save({"features": features}))
    return features


def digest(facts: Any) -> str:
    """sha256 of JSON values."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
