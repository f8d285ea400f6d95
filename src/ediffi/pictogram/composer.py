"""Scenes from the grid: one to four pictures of one style on a background, with captions.

Plain scenes are made here, those of the full form in `illustrate`. A scene is a pure function of
(seed, index). It has no size: the same scene is rendered at 64, 256 or 1024 px, whole or only a
crop, and its masks are exact because every picture has an alpha.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from ediffi.core.errors import UserError
from ediffi.pictogram import layout
from ediffi.pictogram.captions import COLOUR_WORDS, Thing, without_colours, write_caption
from ediffi.pictogram.grid import MONOCHROME, NO_COLOUR_GROUPS, Cell, Grid
from ediffi.pictogram.illustrate import Illustrator
from ediffi.pictogram.palette import BACKGROUNDS, MIN_INK_CONTRAST, RGB, ink_for, similar
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
OTHER_WORD = 0.4  # how often any word is drawn instead of the first: half of that, with two words


class Composer(Renderer):
    """Makes up scenes, and draws and masks them.

    composer = Composer(Grid.load(), SceneConfig(concepts=tuple(vocabulary())))
    scene = composer.scene(0)
    composer.render(scene, 64)  # (64, 64, 3) uint8
    """

    def __init__(self, grid: Grid, config: SceneConfig | None = None) -> None:
        super().__init__(grid)
        self.config = config or SceneConfig()
        known = words()
        self.words = {h: known.get(h, (_clean(c.label),)) for h, c in grid.concepts.items()}
        self.by_style = self._eligible()
        styles = [style for style in self.config.styles if style in self.by_style]
        self.cells = [cell for style in styles for cell in self.by_style[style]]
        if not self.cells:
            raise UserError(
                f"no picture is left for scenes: split {self.config.split!r}, styles "
                f"{', '.join(self.config.styles)}. Allow more concepts or styles."
            )

        if self.config.is_full:
            self._illustrator = Illustrator(
                self.by_style, self.words, Recolours(self.sprites), self.config, _flips
            )

    def _eligible(self) -> dict[str, list[Cell]]:
        config = self.config
        unknown = [s for s in config.styles if s not in self.grid.styles]
        wanted = tuple(self.grid.concepts) if config.concepts is None else config.concepts
        unknown += [h for h in wanted if h not in self.grid.concepts]
        if unknown:
            raise UserError(f"not in the pictogram grid: {', '.join(unknown[:5])}")
        by_style: dict[str, list[Cell]] = {}
        for style in config.styles:
            cells = (self.grid.cells.get((hexcode, style)) for hexcode in wanted)
            kept = [c for c in cells if c is not None and self._in_split(c)]
            if kept:
                by_style[style] = kept
        return by_style

    def _in_split(self, cell: Cell) -> bool:
        if self.config.split == "all":
            return True
        return cell.held_out == (self.config.split == "held-out")

    def scene(self, index: int) -> Scene:
        """The scene with this number."""
        if self.config.is_full:
            return self._illustrator.scene(index)
        rng = Random(f"{self.config.seed}:{index}")
        cell = self.cells[int(rng.random() * len(self.cells))]
        cells = self._company(cell, rng)
        arrangement = rng.choice(layout.LAYOUTS[len(cells)])
        aspects = [c.box[2] / c.box[3] for c in cells]
        boxes = layout.place(arrangement, aspects, rng, self.config.jitter)
        background, ink = self._background(cells, rng)
        things = [self._thing(c, rng) for c in cells]
        flips = [_flips(c, self.config.mirrored, rng) for c in cells]
        items = tuple(
            Item(cell.hexcode, cell.style, thing.label, box, flip, ink)
            for cell, thing, box, flip in zip(cells, things, boxes, flips, strict=True)
        )
        caption, spans = write_caption(
            things,
            arrangement,
            (background.kind, background.colours),
            cell.style,
            rng,
            background_share=self.config.caption_background,
            named=self._names_style(cell, rng),
        )
        return Scene(index, arrangement, background, items, caption, spans)

    def _company(self, first: Cell, rng: Random) -> list[Cell]:
        """`first` and, by the mix, one or two other concepts of its style."""
        one, two, _ = self.config.mix
        draw = rng.random()
        count = 1 if draw < one else 2 if draw < one + two else 3
        pool = self.by_style[first.style]
        cells = [first]
        for _ in range(20):
            if len(cells) == min(count, len(pool)):
                break
            other = pool[int(rng.random() * len(pool))]
            if all(other.hexcode != cell.hexcode for cell in cells):
                cells.append(other)
        return cells

    def _thing(self, cell: Cell, rng: Random) -> Thing:
        labels = self.words[cell.hexcode]
        label = rng.choice(labels) if rng.random() < OTHER_WORD else labels[0]
        wanted = rng.random() < self.config.caption_colour
        named = COLOUR_WORDS.intersection(label.split())
        if cell.style in MONOCHROME:  # a red circle in one ink is a circle
            return Thing(without_colours(label))
        concept = cell.concept
        odd = concept.subgroup == "time" or concept.group in NO_COLOUR_GROUPS
        return Thing(label, cell.colour if wanted and not named and not odd else None)

    def _names_style(self, cell: Cell, rng: Random) -> bool:
        share = self.config.named_styles
        return share > 0 and cell.style != self.config.styles[0] and rng.random() < share

    def _background(self, cells: Sequence[Cell], rng: Random) -> tuple[Background, RGB | None]:
        """A background the pictures stand out on, and the ink of one-colour styles."""
        names = list(BACKGROUNDS)
        mono = cells[0].style in MONOCHROME
        for _ in range(12):
            plain = rng.random() < self.config.plain_share
            kind = "plain" if plain else rng.choice(layout.BACKGROUND_KINDS[1:])
            background = Background(kind, tuple(rng.sample(names, 1 if plain else 2)))
            ink, contrast = ink_for(*background.rgbs)
            if mono and contrast >= MIN_INK_CONTRAST:
                return background, ink
            if not mono and not _hides(cells, background):
                return background, None
        background = Background("plain", (rng.choice(names),))
        return background, ink_for(*background.rgbs)[0] if mono else None

    def crop_for(self, scene: Scene, size: int, crop: int, seed: int) -> Crop:
        """A crop x crop window of the size x size picture, four times of five on an item's edge."""
        rng = Random(f"{self.config.seed}:{scene.index}:{seed}")
        free = size - crop
        x, y = rng.random() * free, rng.random() * free
        if rng.random() < 0.8:
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


def _hides(cells: Sequence[Cell], background: Background) -> bool:
    """True when a picture's mean colour is so near a background colour that it would drown."""
    return any(similar(cell.mean, rgb) for cell in cells for rgb in background.rgbs)
