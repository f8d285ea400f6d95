"""What is asked for: one checked value, alike from the command line, from Python and from JSON."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Annotated, Any, Self, TypedDict, TypeVar

import torch
from PIL import Image
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from ediffi.core.errors import UserError
from ediffi.core.pictures import Picture, is_data_uri, open_picture
from ediffi.encoders import Style
from ediffi.language.people import aims_of
from ediffi.paint import Painting, from_regions

MAX_PICTURES = 10_000
DTYPES = {"bf16": torch.bfloat16, "fp32": torch.float32}

AnyStyle = Picture | Style | Sequence[Picture | Style | None] | None
AnyPainting = Painting | Sequence[Painting | None] | None


def _several(value: Any) -> Any:
    """One value or several, as several."""
    one = isinstance(value, str | Mapping) or not isinstance(value, Iterable)
    return value if value is None else (value,) if one else tuple(value)


def _picture(value: Any, info: ValidationInfo) -> Image.Image:
    if info.mode == "json" and not is_data_uri(value):
        raise UserError(f"{info.field_name}: give a picture as data:image/png;base64,...")
    if not isinstance(value, Picture):
        raise UserError(f"{info.field_name}: {type(value).__name__} is no picture and no path")
    return open_picture(value)


def _style(value: Any, info: ValidationInfo) -> Style | None:
    """A picture, a `Style`, or {"pictures": [...], "weights": [...]}."""
    if value is None or isinstance(value, Style):
        return value
    if not isinstance(value, Mapping):
        return Style.of(_picture(value, info))
    pictures = [_picture(picture, info) for picture in value.get("pictures", ())]
    try:
        weights = [float(weight) for weight in value.get("weights", [1.0] * len(pictures))]
        return Style.of(*zip(pictures, weights, strict=True))
    except TypeError as error:
        raise UserError("style: weights are numbers, one for each picture") from error


def _painting(value: Any) -> Painting | None:
    """A `Painting`, or {"regions": [...]} as docs/paint.md has it, its pictures data URIs."""
    if value is None or isinstance(value, Painting):
        return value
    if not isinstance(value, Mapping):
        raise UserError(f"regions: {type(value).__name__} is no painting")
    return from_regions(value, folder=None)


def _each(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else (value,)


def _dtype(value: Any) -> torch.dtype:
    for name, dtype in DTYPES.items():
        if value in (name, dtype):
            return dtype
    raise UserError(f"dtype {value}: choose {' or '.join(DTYPES)}")


T = TypeVar("T")
Whole = Annotated[int, Field(ge=-(2**63), lt=2**63)]
# One value or a sequence of them is given; a tuple is kept.
Several = Annotated[tuple[T, ...], BeforeValidator(_several)]
Each = Annotated[tuple[T, ...], BeforeValidator(_each)]


class Request(BaseModel):
    """Pictures to draw. Whatever can be one for all or one each is a tuple here, of one or of each.

    prompts: one or several, None for variations of `style`.
    seeds: of the first picture, counting up; or of each picture.
    num_images: of every prompt; the pictures of the first come first.
    stop_at: resolution of the last stage that runs, None for all stages.
    start_from: a picture, RGB, that replaces the stages below. Up to 64 pixels a side it enters the
        first upscaler, larger ones the second; its middle square is resized to fit.
    num_steps, guidance_scale: for the first stage that runs (the others keep their own), or for
        each stage that runs.
    sampler: of every stage.
    use: roles to listen to, None for all.
    style: references, one for all prompts or one for each; None for no reference.
    style_strength: 0 for no reference to 1, or above to exaggerate, see `diffusion.Referenced`.
    style_stages: names of the stages that follow it, None for all.
    regions: which phrases belong where, for all prompts or for each.
    looks: whether seeds choose what the prompt leaves open: the style, where there is no reference
        either, and the background.
    people: attribute -> value -> share, or "equal": what a prompt leaves open of the people that
        it names is drawn from these shares and said, see `with_people`. None: nothing is.
    anyway: whether words that the model was never taught are read, and prompts drawn that have no
        others; otherwise such words are left out, and such prompts refused.
    tile: side in pixels of the tiles in which upscalers draw, to bound memory.
    dtype: bfloat16 for autocast ("bf16" in JSON); float32 ("fp32") is slower and repeats to 1e-4 in
        any batch.

    >>> Request.of(prompts="a red fox", num_images=2).prompts
    ('a red fox',)
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    prompts: Several[str] | None = Field(default=None, min_length=1)
    seeds: Several[Whole] = (0,)
    num_images: int = Field(default=1, ge=1, lt=2**63)
    stop_at: Whole | None = None
    start_from: Annotated[Image.Image, PlainValidator(_picture)] | None = None
    num_steps: Several[Whole] | None = None
    guidance_scale: Several[float] | None = None
    sampler: str | None = None
    use: Several[str] | None = None
    style: Each[Annotated[Style | None, PlainValidator(_style)]] = (None,)
    style_strength: float | None = None
    style_stages: Several[str] | None = None
    regions: Each[Annotated[Painting | None, PlainValidator(_painting)]] = (None,)
    looks: bool = True
    people: dict[str, dict[str, float]] | None = None
    anyway: bool = True
    tile: Whole | None = None
    dtype: Annotated[torch.dtype, PlainValidator(_dtype)] = torch.bfloat16

    @field_validator("people", mode="before")
    @classmethod
    def _shares(cls, value: Any) -> Any:
        return aims_of(value) if isinstance(value, Mapping) else value

    @property
    def num_pictures(self) -> int:
        """Of all prompts, or of all references where there are no prompts."""
        return self.num_images * len(self.style if self.prompts is None else self.prompts)

    @model_validator(mode="after")
    def _check(self) -> Self:
        total = self.num_pictures
        num = total // self.num_images
        for what, given in (("references", self.style), ("paintings", self.regions)):
            if len(given) not in (1, num):
                raise UserError(f"{len(given)} {what} for {num} prompts: give one for each")
        if self.prompts is None and None in self.style:
            raise UserError("give a prompt, or a picture to vary")
        if total > MAX_PICTURES:
            raise UserError(f"too many pictures asked for: at most {MAX_PICTURES:,}")
        if len(self.seeds) not in (1, total):
            raise UserError(f"{len(self.seeds)} seeds for {total} pictures: give one for each")
        if min(self.seeds) < 0:
            raise UserError(f"seeds start at 0, got {min(self.seeds)}")
        return self

    @classmethod
    def of(cls, **fields: object) -> Request:
        """A request of the fields above. Pictures may be paths, PIL pictures, arrays or tensors.

        Raises:
            UserError: a field that is missing, unknown, or of another kind.
        """
        try:
            return cls.model_validate(fields)
        except ValidationError as error:
            raise UserError.of(error) from error

    @classmethod
    def from_json(cls, text: str | bytes) -> Request:
        """A request of a JSON object. Pictures are data URIs: no file of this machine is read.

        Raises:
            UserError: as `of`, or not JSON.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise UserError.of(error) from error


class Options(TypedDict, total=False):
    """Keywords of every method of `Cascade` that draws, for type checkers: see `Request`."""

    seeds: int | Sequence[int]
    num_images: int
    stop_at: int | None
    start_from: Picture | None
    num_steps: int | Sequence[int] | None
    guidance_scale: float | Sequence[float] | None
    sampler: str | None
    style_strength: float | None
    style_stages: Collection[str] | None
    tile: int | None
    dtype: torch.dtype


class WordedOptions(Options, total=False):
    """Those that go with a prompt."""

    use: Collection[str] | None
    style: AnyStyle
    looks: bool
    anyway: bool
