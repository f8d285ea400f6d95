"""What a scene is, and the settings scenes are drawn with."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from ediffi.data.captions import Span
from ediffi.data.layout import Box
from ediffi.data.palette import BACKGROUNDS, RGB

DEFAULT_STYLES = ("fluent-emoji-flat",)
Crop = tuple[int, int, int, int]
"""x0, y0, width, height in pixels."""


class SceneConfig(BaseModel):
    """What scenes are made of.

    concepts: hexcodes, None for all of the grid; mix: shares of scenes with 1, 2 and 3 pictures;
    mirrored: share of pictures that are, letters and the like never;
    jitter: share of the freedom in place and size that is used, see `layout.place`;
    plain_share: of backgrounds with one colour; caption_background: of captions that mention the
    background; caption_colour: of things that get a colour adjective when one is true.
    split: "train" never shows a held-out cell, "held-out" shows nothing else.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = 0
    concepts: tuple[str, ...] | None = None
    styles: tuple[str, ...] = DEFAULT_STYLES
    mix: tuple[float, float, float] = (0.75, 0.25, 0.0)
    mirrored: float = Field(0.0, ge=0, le=1)
    jitter: float = Field(1.0, ge=0, le=1)
    plain_share: float = Field(0.7, ge=0, le=1)
    caption_background: float = Field(0.85, ge=0, le=1)
    caption_colour: float = Field(0.2, ge=0, le=1)
    split: Literal["train", "all", "held-out"] = "train"

    @field_validator("mix")
    @classmethod
    def _mix_is_shares(cls, mix: tuple[float, float, float]) -> tuple[float, float, float]:
        if min(mix) < 0 or abs(sum(mix) - 1) > 1e-6:
            raise ValueError(f"mix is {mix}: three shares of at least 0 that add up to 1 are due")
        return mix


@dataclass(frozen=True)
class Background:
    """kind: plain | stacked (top, bottom) | split (left, right) | gradient (top to bottom)."""

    kind: str
    colours: tuple[str, ...]

    @property
    def rgbs(self) -> tuple[RGB, ...]:
        return tuple(BACKGROUNDS[name] for name in self.colours)


@dataclass(frozen=True)
class Item:
    """One picture of a scene. box: x, y, width, height, shares of the canvas."""

    hexcode: str
    style: str
    label: str
    box: Box
    flip: bool = False
    ink: RGB | None = None


@dataclass(frozen=True)
class Scene:
    """items are in drawing order, the last one on top."""

    index: int
    layout: str
    background: Background
    items: tuple[Item, ...]
    caption: str
    spans: tuple[Span, ...]


def words() -> dict[str, tuple[str, ...]]:
    """The vocabulary file: hexcode -> label and other words for the same thing."""
    text = resources.files("ediffi.data").joinpath("vocabulary.txt").read_text("utf-8")
    lines = (line.split("#")[0].split(maxsplit=1) for line in text.splitlines())
    return {line[0]: tuple(w.strip() for w in line[1].split(",")) for line in lines if line}


def vocabulary() -> dict[str, str]:
    """The default model's words: hexcode -> label."""
    return {hexcode: known[0] for hexcode, known in words().items()}
