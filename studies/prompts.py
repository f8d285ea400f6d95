"""Fixed prompts, written down and committed before the weights that they judge."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from random import Random

from pydantic import BaseModel, ConfigDict

from ediffi.evaluate.real import visible_backgrounds
from ediffi.evaluate.rows import read_rows
from ediffi.pictogram.captions import Thing, write_caption
from ediffi.pictogram.composer import DEFAULT_STYLES, vocabulary
from ediffi.pictogram.grid import Grid

FIRST_WEIGHTS = resources.files("studies").joinpath("first_weights_prompts.jsonl")
"""What `first_weights_prompts` gave before there were weights to judge."""


class FixedPrompt(BaseModel):
    """One thing on a plain background. hexcode, style: its cell in the grid; held_out: that cell
    was never trained on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt: str
    seed: int
    hexcode: str
    style: str
    background: str
    held_out: bool


def first_weights_prompts(
    grid: Grid, num: int = 256, styles: Sequence[str] = DEFAULT_STYLES
) -> list[FixedPrompt]:
    """Every concept of the vocabulary in turn, in styles and on backgrounds drawn by number."""
    rng = Random("first-weights")
    labels = {
        hexcode: label
        for hexcode, label in vocabulary().items()
        if any((hexcode, style) in grid.cells for style in styles)
    }
    order: list[str] = []
    while len(order) < num:
        order += rng.sample(sorted(labels), len(labels))
    rows = []
    for number, hexcode in enumerate(order[:num]):
        drawn = [style for style in styles if (hexcode, style) in grid.cells]
        cell = grid.cells[hexcode, rng.choice(drawn)]
        background = rng.choice(visible_backgrounds(cell))
        caption, _ = write_caption(
            [Thing(labels[hexcode])],
            "single",
            ("plain", (background,)),
            cell.style,
            rng,
            background_share=1.0,
        )
        rows.append(
            FixedPrompt(
                prompt=caption,
                seed=number,
                hexcode=hexcode,
                style=cell.style,
                background=background,
                held_out=cell.held_out,
            )
        )
    return rows


def read_prompts(path: Path | Traversable) -> list[FixedPrompt]:
    """See `read_rows`."""
    return read_rows(path, FixedPrompt, "fixed prompts")
