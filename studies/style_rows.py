"""What the protocol `style` draws: fixed prompts in the style of fixed references, written down and
committed before the weights that they judge."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import ClassVar

from ediffi.data.heldout import is_concept_held_out
from ediffi.pictogram.captions import STYLES
from ediffi.pictogram.drawings import RealPicture, real_picture, visible_backgrounds
from ediffi.pictogram.grammar import article
from ediffi.pictogram.grid import MONOCHROME, NO_COLOUR_GROUPS, Cell, Grid
from ediffi.pictogram.scene import vocabulary
from studies.rows import Row, committed

STYLE_PROMPTS = committed("style_prompts.jsonl")
"""What `style_prompts` gave before there were weights that read references."""

NUM = 12
REFERENCE_SIDE = 256


class StylePrompt(Row):
    """A prompt that names no style, and the picture whose style it is to be drawn in.

    hexcode: what the prompt asks for; reference: what the reference shows, another concept, in
    `style`; held_out: that cell was never trained on; background: of the prompt.
    """

    what: ClassVar[str] = "prompts with references"

    prompt: str
    seed: int
    hexcode: str
    background: str
    style: str
    reference: str
    held_out: bool

    def in_words(self) -> StylePrompt:
        """The same with the style told in the prompt."""
        return self.model_copy(update={"prompt": f"{self.prompt} {STYLES[self.style][1][0]}"})

    def picture(self, grid: Grid) -> RealPicture:
        """The reference, at a place and on a background of its own."""
        cell = grid.cells[self.reference, self.style]
        return real_picture(cell, size=REFERENCE_SIDE, seed=f"reference {self.seed}")

    def real(self, grid: Grid, size: int) -> RealPicture:
        """The real drawing of the concept in the style, on the background asked for."""
        cell = grid.cells[self.hexcode, self.style]
        picture = real_picture(cell, size=size, seed=f"real {self.seed}")
        return RealPicture(cell, self.background, picture.place, size)


def style_prompts(
    grid: Grid, num: int = NUM, styles: Sequence[str] | None = None
) -> list[StylePrompt]:
    """`num` concepts that all styles (None: all of the grid's) draw, in each of them, prompt by
    prompt. References are drawings that were never trained on, where a style has any."""
    rng = Random("style")
    styles = styles or grid.styles
    labels = {
        hexcode: label
        for hexcode, label in vocabulary().items()
        if all((hexcode, style) in grid.cells for style in styles)
        and not is_concept_held_out(hexcode)
    }
    rows: list[StylePrompt] = []
    for hexcode in rng.sample(sorted(labels), min(num, len(labels))):
        background = rng.choice(_common_backgrounds(grid, hexcode, styles))
        text = f"{article(labels[hexcode])} on {article(f'{background} background')}"
        for style in styles:
            cell = rng.choice(_references(grid, hexcode, style))
            rows.append(
                StylePrompt(
                    prompt=text,
                    seed=len(rows),
                    hexcode=hexcode,
                    background=background,
                    style=style,
                    reference=cell.hexcode,
                    held_out=cell.held_out,
                )
            )
    return rows


def _common_backgrounds(grid: Grid, hexcode: str, styles: Sequence[str]) -> list[str]:
    """The backgrounds that the drawings of all colour styles stand out on; any if there is none."""
    seen = [visible_backgrounds(grid.cells[hexcode, s]) for s in styles if s not in MONOCHROME]
    common = [name for name in seen[0] if all(name in others for others in seen)]
    return common or seen[0]


def _references(grid: Grid, hexcode: str, style: str) -> list[Cell]:
    """Drawings of other things that were never trained on; all of them if there are none."""
    cells = [
        cell
        for cell in grid.cells.values()
        if cell.style == style
        and cell.hexcode != hexcode
        and cell.base is None
        and cell.concept.group not in NO_COLOUR_GROUPS
    ]
    return [cell for cell in cells if cell.held_out] or cells
