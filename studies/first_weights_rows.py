"""Fixed prompts, written down and committed before the weights that they judge."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import ClassVar

from ediffi.pictogram.composer import DEFAULT_STYLES, vocabulary
from ediffi.pictogram.drawings import visible_backgrounds
from ediffi.pictogram.grammar import article
from ediffi.pictogram.grid import Grid
from studies.rows import Row, committed

FIRST_WEIGHTS = committed("first_weights_prompts.jsonl")
"""Written before there were weights to judge, in the wordings of the captions of that time."""


class FixedPrompt(Row):
    """One thing on a plain background. hexcode, style: its cell in the grid; held_out: that cell
    was never trained on."""

    what: ClassVar[str] = "fixed prompts"

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
        rows.append(
            FixedPrompt(
                prompt=f"{article(labels[hexcode])} on {article(f'{background} background')}",
                seed=number,
                hexcode=hexcode,
                style=cell.style,
                background=background,
                held_out=cell.held_out,
            )
        )
    return rows
