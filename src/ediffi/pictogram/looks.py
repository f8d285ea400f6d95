"""How the things of a scene are coloured, and a background that they stand out on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from ediffi.core.errors import UserError
from ediffi.pictogram.backdrops import BACKDROPS, FLAT, draw_backdrop, large_colours
from ediffi.pictogram.grammar import COLOUR_WORDS, without_colours
from ediffi.pictogram.grid import MONOCHROME, NO_COLOUR_GROUPS, Cell
from ediffi.pictogram.palette import (
    BACKGROUNDS,
    INKS,
    MIN_INK_CONTRAST,
    RGB,
    contrast,
    ink_for,
    similar,
)
from ediffi.pictogram.recolour import Recolours
from ediffi.pictogram.scene import Background, SceneConfig

TRIES, PLAIN_TRIES = 12, 4  # of backgrounds: any, then only plain ones


@dataclass(frozen=True)
class Look:
    """How a thing is drawn, and the word for the colour that it then has.

    mean: RGB; hue: degrees that all hues are turned by; ink: of a one-colour style.
    """

    colour: str | None
    mean: RGB
    hue: int = 0
    ink: RGB | None = None
    recoloured: bool = False


class Looks:
    """Chooses colours and backgrounds. words: of each concept, the usual first."""

    def __init__(
        self, words: Mapping[str, Sequence[str]], recolours: Recolours, config: SceneConfig
    ) -> None:
        unknown = [kind for kind in config.backdrop_weights if kind not in BACKDROPS]
        if unknown:
            raise UserError(f"no backdrop {unknown[0]!r}: known are {', '.join(BACKDROPS)}")
        self.words, self.recolours, self.config = words, recolours, config
        self.kinds = {kind: config.backdrop_weights.get(kind, 1.0) for kind in BACKDROPS}

    def choose(self, cells: Sequence[Cell], rng: Random) -> tuple[list[Look], Background]:
        """A look for every cell, and a background on which all of them can be seen."""
        choose = self._ink if cells[0].style in MONOCHROME else self._hue
        for attempt in range(TRIES + PLAIN_TRIES):
            background = self._background(rng, plain=attempt >= TRIES)
            behind = large_colours(background)
            looks = [choose(cell, behind, rng) for cell in cells]
            if all(_stands_out(look, rgb) for look in looks for rgb in behind):
                break
        return looks, background

    def labels(self, cell: Cell, look: Look) -> tuple[str, ...]:
        """Words for it, without colour words where it has another colour now."""
        labels = self.words[cell.hexcode]
        if look.recoloured or cell.style in MONOCHROME:
            labels = [without_colours(label) for label in labels]
        return tuple(dict.fromkeys(labels))

    def _background(self, rng: Random, *, plain: bool) -> Background:
        if not plain and rng.random() < self.config.backdrops and any(self.kinds.values()):
            kind = rng.choices(list(self.kinds), list(self.kinds.values()))[0]
        elif plain or rng.random() < self.config.plain_share:
            kind = "plain"
        else:
            kind = rng.choice([kind for kind in FLAT if kind != "plain"])
        return draw_backdrop(kind, rng)

    def _ink(self, _: Cell, behind: Sequence[RGB], rng: Random) -> Look:
        """Black or white, or any colour that stands out if it is to be a coloured one."""
        if rng.random() < self.config.recoloured:
            names = [n for n, rgb in BACKGROUNDS.items() if n not in INKS
                     and min(contrast(rgb, b) for b in behind) >= MIN_INK_CONTRAST]  # fmt: skip
            if names:
                name = rng.choice(names)
                rgb = BACKGROUNDS[name]
                return Look(name, rgb, ink=rgb, recoloured=True)
        ink, _worst = ink_for(*behind)
        return Look("black" if ink == INKS["black"] else "white", ink, ink=ink)

    def _hue(self, cell: Cell, _: Sequence[RGB], rng: Random) -> Look:
        if rng.random() < self.config.recoloured:
            hues = self.recolours.of(cell)
            if hues:
                name = rng.choice(sorted({hue.name for hue in hues}))
                hue = rng.choice([hue for hue in hues if hue.name == name])
                return Look(name, hue.mean, hue.degrees, recoloured=True)
        concept = cell.concept
        odd = concept.group in NO_COLOUR_GROUPS or concept.subgroup == "time"
        told = COLOUR_WORDS.intersection(self.words[cell.hexcode][0].split())
        return Look(None if odd or told else cell.colour, cell.mean)


def _stands_out(look: Look, behind: RGB) -> bool:
    if look.ink is not None:
        return contrast(look.ink, behind) >= MIN_INK_CONTRAST
    return not similar(look.mean, behind)
