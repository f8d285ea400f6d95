"""The pictogram grid as a data set: captions of composed scenes of the model's own vocabulary."""

from __future__ import annotations

from copy import copy
from functools import cached_property, lru_cache
from typing import Any, Literal

from ediffi.core.errors import UserError
from ediffi.core.types import Pixels
from ediffi.data.heldout import half
from ediffi.data.labelled import Labels, Lessons, Subset
from ediffi.model import ModelConfig
from ediffi.pictogram.captions import STYLES
from ediffi.pictogram.composer import Composer
from ediffi.pictogram.drawings import Drawings, cells_of
from ediffi.pictogram.grid import MONOCHROME, Grid
from ediffi.pictogram.scene import SMALL_SCENES, SceneConfig, words

PROMPT_SEED, REFERENCE_SEED = 1_000_003, 2_000_003  # of scenes; training counts from 0
HALF_SEEDS = (3_000_003, 4_000_003)
JUDGE_SEED, TEST_SEED = 1, 2
NUM_SCENES, NUM_TEST_SCENES = 2_000, 400  # that the judge of captions is fitted on, tested with
ALL = range(10_000_000)  # scenes never end

SCENES = SMALL_SCENES.model_copy(update={"styles": tuple(STYLES)})


class LabelledScenes:
    """Composed scenes with their captions, `Labelled`. Concept and style are known of those with
    one thing."""

    def __init__(self, composer: Composer, kind: str = "scenes") -> None:
        self.composer = composer
        self.kind = kind
        self.scene = lru_cache(maxsize=10_000)(composer.scene)

    @property
    def facts(self) -> Any:
        config = self.composer.config.model_dump(mode="json")
        return [self.kind, self.composer.grid.fingerprint, config]

    def caption(self, number: int) -> str:
        return self.scene(number).captions[0].text

    def labels(self, number: int) -> Labels:
        items = self.scene(number).items
        return Labels(items[0].hexcode, items[0].style) if len(items) == 1 else Labels()

    def picture(self, number: int, side: int) -> Pixels:
        return self.composer.render(self.scene(number), side)


class PictogramSet:
    """Scenes of one split of a model's concepts and styles, a `DataSet`."""

    training = None  # of scenes there is no end; `python -m studies copies` looks for drawings

    def __init__(
        self, grid: Grid, config: ModelConfig, split: Literal["train", "held-out"]
    ) -> None:
        self.grid = grid
        self.concepts = concepts_of(config, grid)
        self.styles = tuple(s for s in config.styles if s in grid.styles) or SCENES.styles
        shown = {"concepts": self.concepts, "styles": self.styles, "split": split}
        self.scenes = SCENES.model_copy(update=shown)

    def facts(self) -> dict[str, Any]:
        cells = self.composer.cells
        return {
            "name": "pictogram",
            "sha256": self.grid.fingerprint,
            "cells": len(cells),
            "concepts": len({cell.hexcode for cell in cells}),
            "scenes": self.composer.config.model_dump(mode="json"),
        }

    @cached_property
    def composer(self) -> Composer:
        """Of the prompts' scenes."""
        return self._composer(PROMPT_SEED)

    @cached_property
    def prompts(self) -> Subset:
        return Subset(LabelledScenes(self.composer), ALL)

    @cached_property
    def reference(self) -> Subset:
        return Subset(LabelledScenes(self._composer(REFERENCE_SEED)), ALL)

    @cached_property
    def halves(self) -> tuple[Subset, Subset] | None:
        return halves(self.grid, self.scenes)

    @cached_property
    def lessons(self) -> Lessons:
        """Every colour style of the grid, held-out cells too."""
        concepts = sorted(self.concepts)
        known = tuple(s for s in self.grid.styles if s not in MONOCHROME or s in self.styles)
        cells = cells_of(self.grid, concepts, known)
        shown = {"concepts": tuple(concepts), "split": "all"}
        fit, test = (
            LabelledScenes(self._composer(seed, styles=styles, **shown))
            for seed, styles in ((JUDGE_SEED, known), (TEST_SEED, self.styles))
        )
        drawings, others = (Drawings(self.composer, cells, seed) for seed in ("fit-{side}", "test"))
        return Lessons(
            labelled=Subset(drawings, range(len(cells))),
            labelled_test=Subset(others, range(len(cells))),
            captioned=Subset(fit, range(NUM_SCENES)),
            captioned_test=Subset(test, range(NUM_TEST_SCENES)),
        )

    def name_of(self, concept: str) -> str:
        """The word for a hexcode."""
        return self.composer.words[concept][0]

    def _composer(self, seed: int, **changes: Any) -> Composer:
        return Composer(self.grid, self.scenes.model_copy(update={"seed": seed, **changes}))


def halves(grid: Grid, scenes: SceneConfig) -> tuple[Subset, Subset] | None:
    """Scenes of the one half of the drawings and of the other; None if one of them is empty."""
    try:
        first, second = (
            Composer(_half(grid, number), scenes.model_copy(update={"seed": seed}))
            for number, seed in enumerate(HALF_SEEDS)
        )
    except UserError:
        return None
    return Subset(LabelledScenes(first, "half-0"), ALL), Subset(
        LabelledScenes(second, "half-1"), ALL
    )


def _half(grid: Grid, number: int) -> Grid:
    """The grid with the drawings of one half, see `heldout.half`."""
    part = copy(grid)
    part.cells = {key: cell for key, cell in grid.cells.items() if half(*key) == number}
    return part


def concepts_of(config: ModelConfig, grid: Grid) -> tuple[str, ...]:
    """Hexcodes of what a model claims to draw; of the whole grid if it claims nothing."""
    if not config.vocabulary:
        return tuple(grid.concepts)
    by_label = {concept.label: hexcode for hexcode, concept in grid.concepts.items()}
    by_label |= {known[0]: hexcode for hexcode, known in words().items()}
    named = (by_label.get(label) for label in config.vocabulary)
    found = tuple(dict.fromkeys(h for h in named if h in grid.concepts))
    if len(found) < 2:
        raise UserError(
            f"{len(found)} of the {len(config.vocabulary)} things of {config.name} is in the "
            "pictogram grid: evaluate it on pictures of your own, with --data FOLDER"
        )
    return found
