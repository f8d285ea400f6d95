"""The built pictogram grid: concepts x styles, with every picture's source and licence."""

from __future__ import annotations

import json
import mmap
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ediffi.core.errors import UserError
from ediffi.core.types import Pixels
from ediffi.data import heldout
from ediffi.pictogram.join import Concept
from ediffi.pictogram.rasterize import Rect, decode_sprite
from ediffi.pictogram.sources import Package, pictogram_dir

MONOCHROME = ("emojione-monotone", "fluent-emoji-high-contrast")
# Skin, faces and signs: no colour word is said of them, and none is changed.
NO_COLOUR_GROUPS = ("symbols", "people-body", "smileys-emotion")


@dataclass(frozen=True)
class Cell:
    """One picture: a concept in a style.

    box: the drawn part in the drawing's units; colour: name of its main colour, or None;
    mean: its mean RGB; source, sprite: (offset, length) in the grid's two binary files;
    base: of a variant, the hexcode of the concept that it varies.
    """

    concept: Concept
    style: str
    name: str
    format: str
    box: Rect
    colour: str | None
    mean: tuple[int, int, int]
    source: tuple[int, int]
    sprite: tuple[int, int]
    package: Package
    base: str | None = None

    @property
    def hexcode(self) -> str:
        return self.concept.hexcode

    @property
    def drawing(self) -> str:
        return heldout.drawing(self.style)

    @property
    def licence(self) -> str:
        return self.package.licence

    @property
    def held_out(self) -> bool:
        """Whether no training may see it: a variant neither if what it varies is held out."""
        return any(
            heldout.is_held_out(hexcode, self.style)
            for hexcode in (self.hexcode, self.base)
            if hexcode
        )


class Grid:
    """Concepts, cells and their bytes.

    concepts: by hexcode; cells: by (hexcode, style); counts: the numbers `data build` printed.
    """

    def __init__(self, path: Path, meta: Mapping[str, Any]) -> None:
        self.path = path
        self.counts: dict[str, Any] = meta["counts"]
        self.fingerprint: str = meta["fingerprint"]
        self._sizes = {name: file["bytes"] for name, file in meta["files"].items()}
        self.packages = tuple(Package(**p) for p in meta["packages"])
        concepts = (Concept(**{**c, "tags": tuple(c["tags"])}) for c in meta["concepts"])
        self.concepts = {c.hexcode: c for c in concepts}
        by_style = {p.style: p for p in self.packages if p.style}
        self.styles = tuple(by_style)
        bases: dict[str, str | None] = meta.get("bases", {})
        self.cells: dict[tuple[str, str], Cell] = {}
        for row in meta["cells"]:
            key = (row["hexcode"], row["style"])
            self.cells[key] = Cell(
                concept=self.concepts[row["hexcode"]],
                style=row["style"],
                name=row["name"],
                format=row["format"],
                box=tuple(row["box"]),
                colour=row["colour"],
                mean=tuple(row["mean"]),
                source=tuple(row["source"]),
                sprite=tuple(row["sprite"]),
                package=by_style[row["style"]],
                base=bases.get(row["hexcode"]),
            )

    @classmethod
    def load(cls, cache_dir: Path | None = None) -> Grid:
        """Open the grid that `ediffi data build pictogram` wrote (see `pictogram_dir`)."""
        path = pictogram_dir(cache_dir)
        try:
            meta = json.loads((path / "grid.json").read_text())
        except OSError as error:
            raise UserError(
                f"no pictogram grid in {path} ({error.strerror}): run: ediffi data build pictogram"
            ) from None
        except ValueError as error:
            raise UserError(
                f"{path / 'grid.json'} is damaged ({error}): delete it and run: "
                "ediffi data build pictogram"
            ) from None
        grid = cls(path, meta)
        _ = grid._sources, grid._sprites  # open now: a rebuild may replace the files later
        return grid

    def __getstate__(self) -> dict[str, Any]:
        """Without the open files, so that a grid can go to a worker process."""
        state = dict(self.__dict__)
        state.pop("_sources", None)
        state.pop("_sprites", None)
        return state

    @cached_property
    def _sources(self) -> mmap.mmap:
        return self._map("drawings.bin")

    @cached_property
    def _sprites(self) -> mmap.mmap:
        return self._map("sprites.bin")

    def source(self, cell: Cell) -> bytes:
        """The source picture: an SVG body, or a WebP file."""
        start, length = cell.source
        data = self._sources[start : start + length]
        return zlib.decompress(data) if cell.format == "svg" else data

    def sprite(self, cell: Cell) -> Pixels:
        """The drawn part at 256 px (long side), premultiplied RGBA."""
        start, length = cell.sprite
        return decode_sprite(self._sprites[start : start + length])

    def _map(self, name: str) -> mmap.mmap:
        path = self.path / name
        try:
            with path.open("rb") as file:
                data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            raise UserError(
                f"{path} cannot be read ({error}): run: ediffi data build pictogram"
            ) from error
        if len(data) != self._sizes[name]:
            raise UserError(
                f"{path} has {len(data)} bytes, grid.json says {self._sizes[name]}: "
                "run: ediffi data build pictogram"
            )
        return data
