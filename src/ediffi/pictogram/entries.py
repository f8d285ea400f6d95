"""The pictogram grid, and its variants of people, as a collection that can be audited."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from ediffi.core.files import file_sha256
from ediffi.data.entries import Entry, Files, StoredFile
from ediffi.model import ModelConfig
from ediffi.pictogram.grid import MONOCHROME, Cell, Grid
from ediffi.pictogram.scene import words

ABOUT: Mapping[str, Any] = {
    "collection": "Emoji of permissively licensed sets, joined by concept and rendered from the "
    "sets' own vectors; each package is pinned by its sha256.",
    "limitations": (
        "Emoji only: no photographs, no perspective, and the taste and the gaps of their makers.",
        "Captions are labels and keywords of emojibase, not what people would write.",
    ),
    "biases": (
        "People without a stated presentation or skin tone are drawn yellow, and often with short "
        "hair, which many read as a man.",
        "Presentation has two values beside none, age three words, skin five tones: what Unicode "
        "has, not what people are.",
    ),
    "personal_information": ("None: no picture shows a real person.",),
    "use_cases": ("Training and testing small text-to-image models.",),
}


class GridEntries:
    """Every drawing of one or more grids, alone on white, at about 256 px."""

    def __init__(self, grids: Sequence[Grid], name: str = "pictogram") -> None:
        self.name, self.about = name, ABOUT
        self.fingerprint = hashlib.sha256(
            "|".join(g.fingerprint for g in grids).encode()
        ).hexdigest()
        self.files = _files(grids)
        self.cells = [(grid, cell) for grid in grids for cell in grid.cells.values()]

    def __len__(self) -> int:
        return len(self.cells)

    def entry(self, number: int) -> Entry:
        _, cell = self.cells[number]
        return entry_of(cell)

    def picture(self, number: int) -> Image.Image:
        grid, cell = self.cells[number]
        return on_white(grid, cell)

    def file(self, number: int) -> bytes:
        grid, cell = self.cells[number]
        return grid.source(cell)


def _files(grids: Sequence[Grid]) -> Files:
    """The files of all grids, those of variants under their folder's name."""
    stored, tables = [], []
    for grid in grids:
        start = "" if grid is grids[0] else f"{grid.path.name}/"
        listing = grid.path / "grid.json"
        tables.append(f"{start}grid.json")
        size = listing.stat().st_size
        stored.append(StoredFile(tables[-1], "application/json", file_sha256(listing), size))
        for name, file in json.loads(listing.read_text())["files"].items():
            media = "application/octet-stream"
            stored.append(StoredFile(start + name, media, file["sha256"], file["bytes"]))
    fields = {name: f"$.cells[*].{name}" for name in ("hexcode", "style", "name", "colour")}
    return Files(tuple(stored), tuple(tables), None, fields)


def entry_of(cell: Cell) -> Entry:
    """What is known of a drawing."""
    package, vector = cell.package, cell.format == "svg"
    return Entry(
        name=f"{cell.hexcode}/{cell.style}",
        source=f"{package.name} {package.version}",
        licence=cell.licence,
        captions=(cell.concept.label,),
        side=None if vector else round(min(cell.box[2:])),
        concept=cell.concept.label,
        style=cell.style,
        theme=cell.concept.group,
        attribution=package.attribution,
    )


def on_white(grid: Grid, cell: Cell) -> Image.Image:
    """The drawing in the middle of a white square with a margin of a tenth."""
    pixels = grid.sprite(cell).astype(np.uint16)  # premultiplied
    drawn = (pixels[..., :3] + (255 - pixels[..., 3:])).astype(np.uint8)
    height, width = drawn.shape[:2]
    side = round(max(height, width) * 1.25)
    square = np.full((side, side, 3), 255, np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = drawn
    return Image.fromarray(square)


def portraits(grids: Sequence[Grid]) -> GridEntries:
    """The drawings in styles that have colours, for those who tell skin tones apart."""
    entries = GridEntries(grids, "the grid's people")
    entries.cells = [cell for cell in entries.cells if cell[1].style not in MONOCHROME]
    return entries


def trained_on(grid: Grid, config: ModelConfig) -> GridEntries:
    """The drawings that a stage of a model of this grid may have been trained on: those that are
    not held out, and rasters, which are no target of upscalers, of its vocabulary only."""
    labels = words()
    entries = GridEntries([grid])
    entries.cells = [
        (grid, cell)
        for grid, cell in entries.cells
        if not cell.held_out
        and cell.style in (config.styles or grid.styles)
        and (cell.format == "svg" or labels.get(cell.hexcode, ("",))[0] in config.vocabulary)
    ]
    facts = [entries.fingerprint, *(f"{cell.hexcode}/{cell.style}" for _, cell in entries.cells)]
    entries.fingerprint = hashlib.sha256("|".join(facts).encode()).hexdigest()
    return entries
