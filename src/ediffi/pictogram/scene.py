"""What a scene is, and the settings scenes are drawn with."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
)

from ediffi.core.types import Box
from ediffi.pictogram.captions import Span
from ediffi.pictogram.palette import BACKGROUNDS, RGB

DEFAULT_STYLES = ("fluent-emoji-flat",)
Crop = tuple[int, int, int, int]
"""x0, y0, width, height in pixels."""


class SceneConfig(BaseModel):
    """What scenes are made of.

    concepts: hexcodes, None for all of the grid; mix: shares of scenes with 1, 2, 3 (and 4)
    pictures; mirrored: share of pictures that are, letters and the like never;
    jitter: share of the freedom in place and size that is used, see `layout.place`;
    plain_share: of backgrounds with one colour; caption_background: of captions that mention the
    background; caption_colour: of things that get a colour adjective when one is true.
    styles: one that is named twice comes twice as often; the first is the usual one, and captions
    of others say their style at least so often as named_styles says.
    split: "train" never shows a held-out cell, "held-out" shows nothing else.

    Scenes are plain unless one of the fields below differs from its default; then they are of the
    full form (see `illustrate`), for which `SceneConfig.full()` has a mix of everything.
    backdrops: share of backgrounds that are scenery or patterns; backdrop_weights: how often each
    kind of `backdrops.BACKDROPS` comes, 1 if not named; recoloured: share of pictures in another
    hue, where one can be named; counted: of scenes of several pictures, share that show one thing
    two to four times; grouped: of those of 3 or 4, share of two things in groups; in_front: of
    pairs, share that overlap; sized: share of scenes with sizes that are worth a word; shadows:
    share of scenes with soft ones; symbols: how often a symbol that was drawn is kept.
    num_captions: of each scene; detailed: share of captions with more sentences, up to 60 words;
    keywords: share that are lists of keywords; caption_style: share that name the style, spread
    evenly over the captions of a scene.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = 0
    concepts: tuple[str, ...] | None = None
    styles: tuple[str, ...] = DEFAULT_STYLES
    mix: tuple[float, ...] = Field((0.75, 0.25, 0.0), min_length=3, max_length=4)
    mirrored: float = Field(0.0, ge=0, le=1)
    jitter: float = Field(1.0, ge=0, le=1)
    plain_share: float = Field(0.7, ge=0, le=1)
    caption_background: float = Field(0.85, ge=0, le=1)
    caption_colour: float = Field(0.2, ge=0, le=1)
    named_styles: float = Field(0.0, ge=0, le=1)
    split: Literal["train", "all", "held-out"] = "train"

    backdrops: float = Field(0.0, ge=0, le=1)
    backdrop_weights: dict[str, float] = {}
    recoloured: float = Field(0.0, ge=0, le=1)
    counted: float = Field(0.0, ge=0, le=1)
    grouped: float = Field(0.0, ge=0, le=1)
    in_front: float = Field(0.0, ge=0, le=1)
    sized: float = Field(0.0, ge=0, le=1)
    shadows: float = Field(0.0, ge=0, le=1)
    symbols: float = Field(1.0, ge=0, le=1)
    num_captions: int = Field(1, ge=1, le=16)
    detailed: float = Field(0.0, ge=0, le=1)
    keywords: float = Field(0.0, ge=0, le=1)
    caption_style: float = Field(0.5, ge=0, le=1)

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

    @model_serializer(mode="wrap")
    def _plain_is_short(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Plain settings are written as before there was a full form, so that runs go on."""
        data: dict[str, Any] = handler(self)
        return {k: v for k, v in data.items() if k in PLAIN_FIELDS or self.is_full}

    @classmethod
    def full(cls, **options: Any) -> SceneConfig:
        """The full form with a mix of everything, but for what `options` say."""
        return cls(**{**FULL_MIX, **options})

    @property
    def is_full(self) -> bool:
        """Whether any scene is to have more than plain ones have."""
        fields = type(self).model_fields.items()
        new = [(name, field.default) for name, field in fields if name not in PLAIN_FIELDS]
        return len(self.mix) > 3 or any(getattr(self, n) != default for n, default in new)


FULL_MIX: dict[str, Any] = {
    "mix": (0.4, 0.32, 0.18, 0.1),
    "mirrored": 0.3,
    "plain_share": 0.6,
    "caption_colour": 0.4,
    "backdrops": 0.55,
    "recoloured": 0.3,
    "counted": 0.3,
    "grouped": 0.5,
    "in_front": 0.25,
    "sized": 0.3,
    "shadows": 0.4,
    "symbols": 0.2,
    "num_captions": 3,
    "detailed": 0.35,
    "keywords": 0.1,
}
PLAIN_FIELDS = frozenset(
    "seed concepts styles mix mirrored jitter plain_share caption_background caption_colour "
    "named_styles split".split()
)


@dataclass(frozen=True)
class Background:
    """What the things stand on.

    kind: plain | stacked (top, bottom) | split (left, right) | gradient (top to bottom), and in the
    full form one of `backdrops.KINDS`; colours: one word for each region, in the order of painting;
    regions: names of the parts with masks of their own, none in a plain scene; seed: of details.
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
    """items are in drawing order, the last one on top.

    parts: the items, and behind them the regions of the background: what spans count, and what
    `Renderer.masks` has masks of.
    """

    index: int
    layout: str
    background: Background
    items: tuple[Item, ...]
    caption: str
    spans: tuple[Span, ...]
    others: tuple[Caption, ...] = ()

    @property
    def captions(self) -> tuple[Caption, ...]:
        """All captions; `caption` and `spans` are the first."""
        return (Caption(self.caption, self.spans), *self.others)

    @property
    def parts(self) -> tuple[str, ...]:
        """What each mask shows: the things' labels, then the regions' names."""
        return (*(item.label for item in self.items), *self.background.regions)


def words() -> dict[str, tuple[str, ...]]:
    """The vocabulary file: hexcode -> label and other words for the same thing."""
    text = resources.files("ediffi.pictogram").joinpath("vocabulary.txt").read_text("utf-8")
    lines = (line.split("#")[0].split(maxsplit=1) for line in text.splitlines())
    return {line[0]: tuple(w.strip() for w in line[1].split(",")) for line in lines if line}


def vocabulary() -> dict[str, str]:
    """The default model's words: hexcode -> label."""
    return {hexcode: known[0] for hexcode, known in words().items()}
