"""Palettes and region lists as JSON, checked, and the paintings that they describe.

The format is written down in docs/paint.md.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from ediffi.core.errors import UserError, note
from ediffi.core.pictures import is_data_uri
from ediffi.core.types import RegionForm
from ediffi.paint.maps import Coverage, colour_list, parse_colour, split_map
from ediffi.paint.painting import DEFAULT_WEIGHT, MAX_REGIONS, MAX_WEIGHT, SIDE, Painting, Region
from ediffi.paint.pictures import Source, mask_of, square_rgba

NOTED = 0.02  # share of a map in no colour of the palette that a person is told of


class Phrase(BaseModel):
    """Which words, and how strongly: see `Region`. A string alone is the phrase."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    phrase: str | None = None
    span: tuple[int, int] | None = None
    weight: float = Field(default=1.0, ge=0, le=MAX_WEIGHT)
    negative: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _of_words(cls, value: Any) -> Any:
        return {"phrase": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_of(self) -> Phrase:
        if (self.phrase is None) == (self.span is None):
            raise ValueError("give either phrase or span")
        return self

    def on(self, mask: Any) -> Region:
        return Region(mask, self.phrase, self.span, self.weight, self.negative)


class Entry(Phrase):
    """A phrase and its place: a mask picture, a box, or a colour of the map.

    mask: file, beside the JSON, or data URI; box: left, top, right, bottom, shares of the canvas.
    """

    mask: str | None = None
    box: tuple[float, float, float, float] | None = None
    color: str | None = None

    @model_validator(mode="after")
    def _one_place(self) -> Entry:
        if sum(place is not None for place in (self.mask, self.box, self.color)) != 1:
            raise ValueError("give exactly one of mask, box and color")
        if self.box is not None:
            left, top, right, bottom = self.box
            if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
                raise ValueError("a box is [left, top, right, bottom], shares of 1")
        return self


class RegionList(BaseModel):
    """What `--regions` reads. map: file, beside the JSON, or data URI, for entries by color;
    weight, form: see `Painting`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    regions: tuple[Entry, ...] = Field(min_length=1, max_length=MAX_REGIONS)
    map: str | None = None
    weight: float = Field(default=DEFAULT_WEIGHT, ge=0, le=MAX_WEIGHT)
    form: RegionForm = RegionForm()


def from_map(
    source: Source,
    palette: Mapping[str, Any],
    *,
    weight: float = DEFAULT_WEIGHT,
    form: RegionForm | None = None,
) -> Painting:
    """A painting from a colour map. weight, form: see `Painting`.

    source: a picture, see `square_rgba`. palette: {"#ff0000": "cat", "#808080": None, "#0000ff":
    {"phrase": "rocket", "weight": 1.5}}, None for colours that stand for nothing.

    Raises:
        UserError: not a picture, a bad palette, or a colour that the map does not have.
    """
    what = _named(source)
    entries = _checked(TypeAdapter(dict[str, Phrase | None]), palette, "the palette")
    named = [(colour, entry) for colour, entry in entries.items() if entry is not None]
    blank = [colour for colour, entry in entries.items() if entry is None]
    if not named:
        raise UserError('the palette names no phrase: write {"#ff0000": "words of the prompt"}')
    masks, coverage = _masks(square_rgba(source, what), [c for c, _ in named], blank, what)
    regions = (entry.on(mask) for (_, entry), mask in zip(named, masks, strict=True))
    return Painting(tuple(regions), weight, form or RegionForm(), coverage)


def from_regions(value: Any, *, folder: Path | None = Path()) -> Painting:
    """A painting from what the JSON of docs/paint.md holds. folder: where its files are, None if
    it may name none: its pictures are data URIs.

    Raises:
        UserError: another shape, or a picture that cannot be read.
    """
    if isinstance(value, Sequence):
        value = {"regions": value}
    spec = _checked(TypeAdapter(RegionList), value, "the regions")
    colours = list(dict.fromkeys(e.color for e in spec.regions if e.color is not None))
    by_colour: dict[str, NDArray[np.bool_]] = {}
    coverage = None
    if colours:
        if spec.map is None:
            raise UserError("regions by color need a map: the name of its file, as map")
        pixels = square_rgba(_source(spec.map, folder), "the map")
        masks, coverage = _masks(pixels, colours, [], "the map")
        by_colour = dict(zip(colours, masks, strict=True))
    regions = []
    for number, entry in enumerate(spec.regions, 1):
        if entry.color is not None:
            regions.append(entry.on(by_colour[entry.color]))
        elif entry.box is not None:
            regions.append(entry.on(_box(entry.box)))
        elif entry.mask is not None:
            what = f"the mask of region {number}"
            regions.append(entry.on(mask_of(_source(entry.mask, folder), what)))
    return Painting(tuple(regions), spec.weight, spec.form, coverage)


def read_json(path: Path, what: str) -> Any:
    """The JSON value in a file.

    Raises:
        UserError: no such file, or not JSON.
    """
    try:
        return json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UserError(f"cannot read {what} {path}: {error.strerror}") from error
    except ValueError as error:
        raise UserError(f"{what} {path} is not JSON: {error}") from error


def no_palette(source: Source) -> UserError:
    """What to tell who gives a map alone: its colours."""
    pixels = square_rgba(source, _named(source))
    return UserError(
        'a map needs a palette, a JSON file such as {"#ff0000": "words of the prompt"}. '
        f"Colours of the map: {colour_list(pixels)}"
    )


def _masks(
    pixels: NDArray[np.uint8], colours: list[str], blank: list[str], what: str
) -> tuple[NDArray[np.bool_], Coverage]:
    """A mask for every colour, none of them empty."""
    names = [*colours, *blank]
    rgb = [parse_colour(name) for name in names]
    for i, name in enumerate(names):
        if rgb[i] in rgb[:i]:
            raise UserError(f"the palette has the colour {name} twice")
    masks, coverage = split_map(pixels, rgb[: len(colours)], rgb[len(colours) :])
    for colour, mask in zip(colours, masks, strict=True):
        if not mask.any():
            raise UserError(
                f"{colour} is nowhere on {what}, whose colours are: {colour_list(pixels)}"
            )
    if coverage.astray > NOTED:
        note(
            f"{coverage.astray:.1%} of {what} is left unpainted, in colours that are not in the "
            f"palette. Colours of the map: {colour_list(pixels)}"
        )
    return masks, coverage


def _checked(adapter: TypeAdapter[Any], value: Any, what: str) -> Any:
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        raise UserError.of(error, what) from error


def _named(source: Source) -> str:
    """A map as messages call it: by its file, if it has one."""
    in_file = isinstance(source, str | Path) and not is_data_uri(source)
    return f"the map {source}" if in_file else "the map"


def _source(name: str, folder: Path | None) -> str | Path:
    if is_data_uri(name):
        return name
    if folder is None:
        raise UserError(f"{name[:40]!r} is not a data URI: data:image/png;base64,...")
    return folder / name


def _box(box: tuple[float, float, float, float]) -> NDArray[np.float32]:
    """A box's mask, its edges as soft as a share of a pixel."""
    places = np.arange(SIDE)
    left, top, right, bottom = (SIDE * share for share in box)
    across = np.clip(np.minimum(places + 1, right) - np.maximum(places, left), 0, 1)
    down = np.clip(np.minimum(places + 1, bottom) - np.maximum(places, top), 0, 1)
    return np.asarray(down[:, None] * across[None], np.float32)
