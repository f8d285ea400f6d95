"""Scenes from the grid: one to four pictures of one style on a background, with captions.

A scene is a pure function of (seed, index). It has no size: the same scene is rendered at 64, 256
or 1024 px, whole or only a crop, and its masks are exact because every picture has an alpha.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from ediffi.core.types import Box
from ediffi.pictogram import layout
from ediffi.pictogram.cast import Casting, eligible
from ediffi.pictogram.describe import Describer
from ediffi.pictogram.entities import Entity
from ediffi.pictogram.grid import Cell, Grid
from ediffi.pictogram.looks import Look, Looks
from ediffi.pictogram.recolour import Recolours
from ediffi.pictogram.render import Renderer
from ediffi.pictogram.scene import (
    DEFAULT_STYLES,
    Background,
    Crop,
    Item,
    Scene,
    SceneConfig,
    vocabulary,
    words,
)

__all__ = [
    "DEFAULT_STYLES",
    "Background",
    "Composer",
    "Item",
    "Scene",
    "SceneConfig",
    "vocabulary",
]

NEVER_FLIPPED_GROUPS = ("symbols",)
NEVER_FLIPPED_SUBGROUPS = (
    "time", "book-paper", "money", "phone", "computer", "office", "award-medal", "emotion"
)  # fmt: skip
# Pictures with letters or digits in other groups: emergency cars, taxis, buildings with signs, ...
NEVER_FLIPPED = frozenset(
    "1F691 1F693 1F694 1F695 1F696 1F3E3 1F3E4 1F3E5 1F3E6 1F3E7 1F3E8 1F3E9 1F3EA 1F68F 1F6D1 "
    "1F3B1 1F3B0 1F4AF 1F4E7".split()
)
ON_AN_EDGE = 0.8  # of crops, the share that shows a part of an item's edge


class Composer(Renderer):
    """Makes up scenes, and draws and masks them.

    composer = Composer(Grid.load(), SceneConfig(concepts=tuple(vocabulary())))
    scene = composer.scene(0)
    composer.render(scene, 64)  # (64, 64, 3) uint8

    by_style, cells: what scenes may show, a style that the config names twice twice in `cells`;
    words: of each concept, the usual first.
    """

    def __init__(self, grid: Grid, config: SceneConfig | None = None) -> None:
        super().__init__(grid)
        self.config = config = config or SceneConfig()
        known = words()
        self.words = {h: known.get(h, (_clean(c.label),)) for h, c in grid.concepts.items()}
        self.by_style = eligible(grid, config)
        self._casting = Casting(self.by_style, self.words, config)
        self._looks = Looks(self.words, Recolours(self.sprites), config)
        self.cells = self._casting.cells

    def scene(self, index: int) -> Scene:
        """The scene with this number."""
        config = self.config
        rng = Random(f"{config.seed}:{index}:full")
        cells, groups = self._casting.choose(rng)
        looks, background = self._looks.choose(cells, rng)
        arrangement = layout.arrangement(groups, rng, in_front=config.in_front)
        boxes = layout.boxes(
            arrangement, groups, [cell.box[2] / cell.box[3] for cell in cells], rng,
            sized=config.sized, jitter=config.jitter,
        )  # fmt: skip
        shadow = rng.random() < config.shadows
        items: list[Item] = []
        entities: dict[int, Entity] = {}
        sizes = layout.size_words(boxes)
        # what stands in front is drawn last
        for n in [1, 0] if arrangement == "front" else range(len(cells)):
            start = len(items)
            items += self._items(cells[n], looks[n], boxes[n], rng, shadow=shadow)
            entities[n] = Entity(
                labels=self._looks.labels(cells[n], looks[n]),
                parts=tuple(range(start, len(items))),
                colour=looks[n].colour,
                recoloured=looks[n].recoloured,
                size=sizes[n],
                place=layout.place_words(boxes[n]),
                keywords=cells[n].concept.tags,
            )
        things = [entities[n] for n in range(len(cells))]
        describer = Describer(things, arrangement, background, cells[0].style, config)
        return Scene(index, arrangement, background, tuple(items), describer.captions(rng))

    def _items(
        self, cell: Cell, look: Look, boxes: Sequence[Box], rng: Random, *, shadow: bool
    ) -> list[Item]:
        label = self._looks.labels(cell, look)[0]
        return [
            Item(
                cell.hexcode,
                cell.style,
                label,
                box,
                flip=_flips(cell, self.config.mirrored, rng),
                ink=look.ink,
                hue=look.hue,
                shadow=shadow,
            )
            for box in boxes
        ]

    def crop_for(self, scene: Scene, size: int, crop: int, seed: int) -> Crop:
        """A crop x crop window of the size x size picture, four times of five on an item's edge."""
        rng = Random(f"{self.config.seed}:{scene.index}:{seed}")
        free = size - crop
        x, y = rng.random() * free, rng.random() * free
        if rng.random() < ON_AN_EDGE:
            left, top, width, height = rng.choice(scene.items).box
            side, along = rng.randrange(4), rng.random()
            # A point on the ellipse-like inner frame: drawings seldom reach their corners.
            px = left + width * (along * 0.6 + 0.2 if side < 2 else 0.08 + 0.84 * (side == 3))
            py = top + height * (0.08 + 0.84 * (side == 1) if side < 2 else along * 0.6 + 0.2)
            x = px * size - crop * (0.25 + 0.5 * rng.random())
            y = py * size - crop * (0.25 + 0.5 * rng.random())
        return int(min(max(x, 0), free)), int(min(max(y, 0), free)), crop, crop


def _clean(label: str) -> str:
    """`person: red hair` -> `person red hair`, without the quotes of some symbols' labels."""
    return " ".join("".join(ch for ch in label if ch not in ":“”()").split())


def _flips(cell: Cell, share: float, rng: Random) -> bool:
    """Whether a picture is mirrored; letters, clocks and the like never are."""
    concept = cell.concept
    fixed = (
        concept.group in NEVER_FLIPPED_GROUPS
        or concept.subgroup in NEVER_FLIPPED_SUBGROUPS
        or concept.hexcode in NEVER_FLIPPED
    )
    return rng.random() < share and not fixed
