"""What every reader gives: a picture and its captions, or why there is none.

Whatever a collection says of a picture is parsed by `Row`, so that any JSON value in any place is
either understood or a reason to drop that picture and no other.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import (
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
    model_validator,
)

MAX_CAPTION = 10_000  # characters
MAX_TEXT = 1_000_000  # bytes of a file, characters of a line, that holds captions
MAX_BYTES = 256_000_000  # of one picture's file

# names of the field that has the captions, the first that is there counts
CAPTION = ("captions", "caption", "text", "prompt", "description")
PICTURES = frozenset(
    ".png .jpg .jpeg .jpe .jfif .webp .gif .bmp .tif .tiff .avif .jp2 .ppm .pgm .tga .qoi".split()
)


@dataclass(frozen=True)
class Record:
    """One picture and what is said of it.

    name: how the collection calls it; picture: its file, or the file's bytes; source, licence: None
    where the collection does not say; cells: of the pictogram grid, (hexcode, style), if it is a
    scene made of them. All text can be encoded.
    """

    name: str
    picture: Path | bytes
    captions: tuple[str, ...]
    source: str | None = None
    licence: str | None = None
    cells: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Dropped:
    """An item that cannot be used. reason: a few words, for counting; detail: what was found."""

    name: str
    reason: str
    detail: str = ""


Item = Record | Dropped


class Unusable(Exception):
    """Raised with a reason and a detail, see `Dropped`; validators pass it on as it is."""


def readable(text: str | Path) -> str:
    """Text that can be printed and encoded, whatever it was read from."""
    return str(text).encode("utf-8", "replace").decode().replace("\0", "?")


def _label(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"text or a number is due, not {type(value).__name__}")
    whole = isinstance(value, float) and value.is_integer()
    return readable(str(int(value) if whole else value)).strip()


def _file_name(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"text is due, not {type(value).__name__}")
    return value.strip()


def _captions(value: Any) -> tuple[str, ...]:
    """Tidy captions, each once. value: one, a list of them, or a JSON array of them as text."""
    texts = value if isinstance(value, list) else _array(value) or [value]
    return tuple(dict.fromkeys(filter(None, map(_tidy, texts))))


def _array(text: Any) -> list[str] | None:
    if not isinstance(text, str) or not text.lstrip().startswith("["):
        return None
    try:
        texts = json.loads(text)
    except (ValueError, RecursionError):
        return None
    is_array = isinstance(texts, list) and all(isinstance(t, str) for t in texts)
    return texts if is_array else None


def _tidy(text: Any) -> str:
    if not isinstance(text, str):
        raise Unusable("caption is not text", f"it is {type(text).__name__}")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise Unusable("caption is not UTF-8", f"at character {error.start}") from error
    tidy = " ".join(text.replace("\0", " ").split())
    if len(tidy) > MAX_CAPTION:
        raise Unusable("caption too long", f"{len(tidy):,} characters, at most {MAX_CAPTION:,}")
    return tidy


Label = Annotated[str, BeforeValidator(_label)]
"""Text or a number, as text; ids are equal however they are written."""
FileName = Annotated[str, PlainValidator(_file_name)]
"""Of a file that may be there; names on a disk are not always UTF-8."""
Captions = Annotated[tuple[str, ...], PlainValidator(_captions)]


class Object(BaseModel):
    """A JSON object or a table's row: keys in any case, empty values as if they were not there."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    @model_validator(mode="before")
    @classmethod
    def _stated(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            raise ValueError("it is no JSON object")
        empty: tuple[Any, ...] = (None, "", [])
        return {str(k).strip().lower(): v for k, v in data.items() if v not in empty}


class Row(Object):
    """What a collection says of a picture; of several names for a field the first counts."""

    name: Label | None = None
    captions: Captions = Field((), validation_alias=AliasChoices(*CAPTION))
    source: Label | None = Field(None, validation_alias=AliasChoices("source", "credit"))
    licence: Label | None = Field(None, validation_alias=AliasChoices("licence", "license"))
    cells: tuple[tuple[str, str], ...] = ()

    def record(self, name: str, picture: Path | bytes) -> Record:
        """Raises Unusable: it has no caption."""
        if not self.captions:
            raise Unusable("no caption")
        return Record(name, picture, self.captions, self.source, self.licence, self.cells)


M = TypeVar("M", bound=BaseModel)


def parse(model: type[M], data: Any) -> M:
    """Raises Unusable: with the field that is not as it should be."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        found = first["msg"].removeprefix("Value error, ")
        raise Unusable("bad row", f"{field or 'row'}: {found}") from error


def find_file(root: Path, name: str) -> Path:
    """A plain file inside `root` (links are followed, but not out of it), of a sane size.

    name: a path below `root`, with the separators of any system.

    Raises:
        Unusable: there is none.
    """
    try:
        path = root / name
        if "\\" in name and not path.exists():
            path = root / name.replace("\\", "/")
        real = path.resolve()
        if not real.is_relative_to(root.resolve()):
            raise Unusable("outside the folder", f"it leads to {readable(real)}")
        if not real.exists():
            raise Unusable("missing file", f"there is no {readable(path)}")
        if not real.is_file():
            raise Unusable("not a file", readable(path))
        size = real.stat().st_size
    except (OSError, ValueError, RuntimeError) as error:  # loops of links, impossible names
        raise Unusable("missing file", readable(str(error))) from error
    if size > MAX_BYTES:
        raise Unusable("too large", f"{size:,} bytes, at most {MAX_BYTES:,}")
    return path
