"""Which things a scene has, and how many of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random

from ediffi.core.errors import UserError
from ediffi.pictogram import layout
from ediffi.pictogram.grammar import countable
from ediffi.pictogram.grid import Cell, Grid
from ediffi.pictogram.scene import SceneConfig

TRIES = 20


def eligible(grid: Grid, config: SceneConfig) -> dict[str, list[Cell]]:
    """The cells that scenes may show, by style; of split "train" none that is held out.

    Raises:
        UserError: a style or concept is not in the grid, or no cell is left.
    """
    wanted = tuple(grid.concepts) if config.concepts is None else config.concepts
    unknown = [style for style in config.styles if style not in grid.styles]
    unknown += [hexcode for hexcode in wanted if hexcode not in grid.concepts]
    if unknown:
        raise UserError(f"not in the pictogram grid: {', '.join(unknown[:5])}")
    by_style: dict[str, list[Cell]] = {}
    for style in config.styles:
        cells = [grid.cells[hexcode, style] for hexcode in wanted if (hexcode, style) in grid.cells]
        if config.split != "all":
            cells = [cell for cell in cells if cell.held_out == (config.split == "held-out")]
        if cells:
            by_style[style] = cells
    if not by_style:
        raise UserError(
            f"no picture is left for scenes: split {config.split!r}, styles "
            f"{', '.join(config.styles)}. Allow more concepts or styles."
        )
    return by_style


class Casting:
    """Chooses the things of scenes. words: of each concept, the usual first."""

    def __init__(
        self,
        by_style: Mapping[str, Sequence[Cell]],
        words: Mapping[str, Sequence[str]],
        config: SceneConfig,
    ) -> None:
        self.by_style, self.words, self.config = by_style, words, config
        self.cells = [cell for style in config.styles for cell in by_style.get(style, ())]

    def choose(self, rng: Random) -> tuple[list[Cell], tuple[int, ...]]:
        """The things of a scene, all different and of one style, and how many there are of each."""
        config = self.config
        count = rng.choices(range(1, len(config.mix) + 1), config.mix)[0]
        groups: tuple[int, ...] = (1,) * count
        if count > 1 and rng.random() < config.counted:
            groups = (count,)
        elif count > 2 and rng.random() < config.grouped:
            groups = rng.choice([(1, 2), (2, 1)] if count == 3 else [(1, 3), (3, 1), (2, 2)])
        cells = [self._draw(self.cells, rng, counted=groups[0] > 1)]
        pool = self.by_style[cells[0].style]
        for _ in range(TRIES):
            if len(cells) == min(len(groups), len(pool)):
                break
            other = self._draw(pool, rng, counted=groups[len(cells)] > 1)
            if all(other.hexcode != cell.hexcode for cell in cells):
                cells.append(other)
        # the pool may have had nothing that can be counted, or too little altogether
        kept = tuple(n if self._countable(c) else 1 for n, c in zip(groups, cells, strict=False))
        return cells, kept if kept in layout.ARRANGED else (1,) * len(cells)

    def _draw(self, pool: Sequence[Cell], rng: Random, *, counted: bool) -> Cell:
        for _ in range(TRIES):
            cell = pool[int(rng.random() * len(pool))]
            symbol = cell.concept.group == "symbols" and rng.random() >= self.config.symbols
            if not symbol and (not counted or self._countable(cell)):
                break
        return cell

    def _countable(self, cell: Cell) -> bool:
        concept = cell.concept
        return countable(self.words[cell.hexcode][0], concept.group, concept.subgroup)
