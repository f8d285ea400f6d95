"""What a model is asked to draw from the pictogram grid, and the real pictures to compare with."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from ediffi.core.errors import UserError
from ediffi.data.heldout import half
from ediffi.evaluate.extractor import Extractor
from ediffi.evaluate.gallery import kept_features
from ediffi.evaluate.real import enlarged
from ediffi.model import ModelConfig
from ediffi.pictogram.composer import Composer, SceneConfig
from ediffi.pictogram.grid import MONOCHROME, Cell, Grid
from ediffi.pictogram.scene import Scene, words
from ediffi.train.config import preset_config

PROMPT_SEED, REFERENCE_SEED = 1_000_003, 2_000_003  # of scenes; training counts from 0
HALF_SEEDS = (3_000_003, 4_000_003)


def concepts_of(config: ModelConfig, grid: Grid) -> tuple[str, ...]:
    """Hexcodes of what a model claims to draw; of the whole grid if it claims nothing."""
    if not config.vocabulary:
        return tuple(grid.concepts)
    by_label = {concept.label: hexcode for hexcode, concept in grid.concepts.items()}
    by_label |= {known[0]: hexcode for hexcode, known in words().items()}
    found = tuple(by_label[label] for label in config.vocabulary if label in by_label)
    if not found:
        raise UserError(
            f"none of the {len(config.vocabulary)} things of {config.name} is in the pictogram "
            "grid: evaluate it with --data FILE of captions"
        )
    return tuple(dict.fromkeys(h for h in found if h in grid.concepts))


class PictogramSet:
    """Composed scenes of a model's own vocabulary, styles and split.

    name, hash: of the grid; scenes: how they are composed, for the protocol.
    """

    def __init__(
        self,
        grid: Grid,
        config: ModelConfig,
        split: Literal["train", "held-out"],
        features_dir: Path,
    ) -> None:
        """features_dir: where features of real pictures are kept."""
        self.grid = grid
        self.split = split
        self.features_dir = features_dir
        self.concepts = concepts_of(config, grid)
        recipe = preset_config("pictogram", "base").scenes
        known = tuple(s for s in config.styles if s in grid.styles)
        self.styles = known or recipe.styles
        self.scenes = recipe.model_copy(
            update={
                "seed": PROMPT_SEED,
                "concepts": self.concepts,
                "styles": self.styles,
                "split": split,
            }
        )

    @cached_property
    def composer(self) -> Composer:
        """Of the prompts' scenes."""
        return Composer(self.grid, self.scenes)

    def prompts(self, num: int) -> list[Scene]:
        """The scenes whose captions are the prompts; a prompt's seed is its number."""
        return [self.composer.scene(number) for number in range(num)]

    def facts(self) -> dict[str, Any]:
        """For the protocol."""
        return {
            "name": "pictogram",
            "sha256": self.grid.fingerprint,
            "split": self.split,
            "cells": len(self.composer.cells),
            "concepts": len({cell.hexcode for cell in self.composer.cells}),
            "scenes": self.scenes.model_dump(mode="json"),
        }

    def real(self, kind: str, num: int, size: int, extractor: Extractor, tell: Tell) -> Tensor:
        """Features (num, D) of real scenes, kept for the next time.

        kind: "prompts" (the scenes of the prompts), "reference" (other scenes of the same cells),
        "half-0" and "half-1" (of disjoint drawings, see `heldout.half`), "grid-0" and "grid-1"
        (the same of all concepts and colour styles of the grid, whatever the model was taught).
        """
        composer = self.composer_of(kind)
        digest = hashlib.sha256(
            json.dumps([self.facts(), kind, num, size, extractor.hash]).encode()
        ).hexdigest()
        return kept_features(
            self.features_dir / f"{digest[:24]}.safetensors",
            extractor,
            num,
            lambda rows: enlarged(
                [composer.render(composer.scene(n), size) for n in rows], extractor.side
            ),
            tell,
        )

    def composer_of(self, kind: str) -> Composer:
        """Whose scenes are the real pictures of that kind."""
        if kind == "prompts":
            return self.composer
        if kind == "reference":
            return Composer(self.grid, self.scenes.model_copy(update={"seed": REFERENCE_SEED}))
        what, number = kind.split("-")[0], int(kind[-1])
        scenes = self.scenes.model_copy(update={"seed": HALF_SEEDS[number]})
        if what == "grid":
            colour = tuple(s for s in self.grid.styles if s not in MONOCHROME)
            wide = {"concepts": None, "styles": colour, "split": "all"}
            scenes = scenes.model_copy(update=wide)
        return HalfComposer(self.grid, scenes, number)


Tell = Callable[[int], None]


class HalfComposer(Composer):
    """Scenes from one half of the drawings."""

    def __init__(self, grid: Grid, config: SceneConfig, number: int) -> None:
        self._half = number
        super().__init__(grid, config)

    def _in_split(self, cell: Cell) -> bool:
        return super()._in_split(cell) and half(cell.hexcode, cell.style) == self._half


def single(scenes: Sequence[Scene]) -> list[int]:
    """The numbers of the scenes with one thing."""
    return [number for number, scene in enumerate(scenes) if len(scene.items) == 1]
