"""What a scene is, and the settings scenes are drawn with."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from ediffi.core.types import Box
from ediffi.pictogram.palette import BACKGROUNDS, RGB
from ediffi.pictogram.segments import Span

DEFAULT_STYLES = ("fluent-emoji-flat",)
Crop = tuple[int, int, int, int]
"""x0, y0, width, height in pixels."""


class SceneConfig(BaseModel):
    """What scenes are made of. All shares are in [0, 1]; the defaults are a mix of everything.

    styles: one that is named twice comes twice as often; concepts: hexcodes, None for all of the
    grid; split: "train" never shows a held-out cell, "held-out" shows nothing else.

    Things. mix: shares of scenes with 1, 2, 3 (and 4) pictures; counted: of scenes of several
    pictures, share that show one thing two to four times; grouped: of those of 3 or 4, share of two
    things in groups; symbols: how often a symbol that was drawn is kept.

    How they stand. jitter: share of the freedom in place that is used, see `layout.fit`;
    mirrored: share of pictures that are, letters and the like never; in_front: of pairs, share that
    overlap; sized: share of scenes with sizes that are worth a word; shadows: with soft ones.

    Colours and grounds. recoloured: share of pictures in another hue, where one can be named;
    backdrops: share of backgrounds that are scenery or patterns; backdrop_weights: how often each
    kind of `backdrops.BACKDROPS` comes, 1 if not named; plain_share: of the others, share of one
    colour.

    Captions. num_captions: of each scene; caption_background: share that mention the background;
    caption_colour: of things that get a colour adjective when one is true; caption_style: share
    that name the style, spread evenly over the captions of a scene; detailed: share with more
    sentences, up to 60 words; keywords: share that are lists of keywords.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = 0
    concepts: tuple[str, ...] | None = None
    styles: tuple[str, ...] = DEFAULT_STYLES
    split: Literal["train", "all", "held-out"] = "train"

    mix: tuple[float, ...] = Field((0.4, 0.32, 0.18, 0.1), min_length=3, max_length=4)
    counted: float = Field(0.3, ge=0, le=1)
    grouped: float = Field(0.5, ge=0, le=1)
    symbols: float = Field(0.2, ge=0, le=1)

    jitter: float = Field(1.0, ge=0, le=1)
    mirrored: float = Field(0.3, ge=0, le=1)
    in_front: float = Field(0.25, ge=0, le=1)
    sized: float = Field(0.3, ge=0, le=1)
    shadows: float = Field(0.4, ge=0, le=1)

    recoloured: float = Field(0.3, ge=0, le=1)
    backdrops: float = Field(0.55, ge=0, le=1)
    backdrop_weights: dict[str, float] = {}
    plain_share: float = Field(0.6, ge=0, le=1)

    num_captions: int = Field(3, ge=1, le=16)
    caption_background: float = Field(0.85, ge=0, le=1)
    caption_colour: float = Field(0.4, ge=0, le=1)
    caption_style: float = Field(0.5, ge=0, le=1)
    detailed: float = Field(0.35, ge=0, le=1)
    keywords: float = Field(0.1, ge=0, le=1)

    @field_validator("mix")
    @classmethod
    def _mix_is_shares(cls, mix: tuple[float, ...]) -> tuple[float, ...]:
        if min(mix) < 0 or abs(sum(mix) - 1) > 1e-6:
            raise ValueError(f"mix is {mix}: shares of at least 0 that add up to 1 are due")
        return mix

    @field_validator("backdrop_weights")
    @classmethod
    def _weights_are_positive(cls, weights: dict[str, float]) -> dict[str, float]:
        if min(weights.values(), default=0) < 0:
            raise ValueError(f"backdrop_weights are {weights}: none may be below 0")
        return weights


# one to four things anywhere, on plain grounds: a 64 px picture has no room for scenery
SMALL_SCENES = SceneConfig(
    mix=(0.45, 0.35, 0.12, 0.08),
    mirrored=0.0,
    in_front=0.0,
    sized=0.2,
    shadows=0.0,
    symbols=1.0,
    backdrops=0.0,
    recoloured=0.15,
    detailed=0.1,
)


@dataclass(frozen=True)
class Background:
    """What the things stand on.

    kind: one of `backdrops.KINDS`; colours: a word for each region, in the order of painting;
    regions: their names, which have masks of their own; () for all that the kind has, without
    masks; seed: of details.
    """

    kind: str
    colours: tuple[str, ...]
    regions: tuple[str, ...] = ()
    seed: int = 0

    @property
    def rgbs(self) -> tuple[RGB, ...]:
        return tuple(BACKGROUNDS[name] for name in self.colours)


@dataclass(frozen=True)
class Item:
    """One picture of a scene. box: x, y, width, height, shares of the canvas.

    ink: of a one-colour style; hue: degrees that all hues are turned by.
    """

    hexcode: str
    style: str
    label: str
    box: Box
    flip: bool = False
    ink: RGB | None = None
    hue: int = 0
    shadow: bool = False


@dataclass(frozen=True)
class Caption:
    """One description of a scene, and what its phrases name."""

    text: str
    spans: tuple[Span, ...]


@dataclass(frozen=True)
class Scene:
    """What is drawn and what is said of it. items are in drawing order, the last one on top."""

    index: int
    layout: str
    background: Background
    items: tuple[Item, ...]
    captions: tuple[Caption, ...] = ()

    @property
    def parts(self) -> tuple[str, ...]:
        """What each mask of `Renderer.masks` shows, which is what spans count: the things, by their
        labels, and behind them the background's regions."""
        return (*(item.label for item in self.items), *self.background.regions)


def words() -> dict[str, tuple[str, ...]]:
    """The vocabulary file: hexcode -> label and other words for the same thing."""
    text = resources.files("ediffi.pictogram").joinpath("vocabulary.txt").read_text("utf-8")
    lines = (line.split("#")[0].split(maxsplit=1) for line in text.splitlines())
    return {line[0]: tuple(w.strip() for w in line[1].split(",")) for line in lines if line}


def vocabulary() -> dict[str, str]:
    """The default model's words: hexcode -> label."""
    return {hexcode: known[0] for hexcode, known in words().items()}
