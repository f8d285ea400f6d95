"""A table of pictures and captions: CSV or TSV with a header, or JSON lines."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from ediffi.core.errors import UserError
from ediffi.data.readers.record import Dropped, Item, Unusable, checked_file, make_record

SEPARATORS = {".csv": ",", ".tsv": "\t"}
MAX_LINE = 1_000_000  # characters
# column names people use, the first that is there counts
PICTURE = ("image", "picture", "file", "file_name", "filename", "path", "image_path")
CAPTION = ("caption", "captions", "text", "prompt", "description")
LICENCE = ("licence", "license")
SOURCE = ("source", "credit")

Row = dict[str, Any]


def read_table(table: Path, root: Path) -> Iterator[Item]:
    """The rows of a table; pictures are paths inside `root`. A row of JSON may have many captions.

    Raises:
        UserError: the table cannot be opened, or has no column of pictures or of captions.
    """
    rows = _json_rows if table.suffix.lower() == ".jsonl" else _csv_rows
    try:
        # What is not UTF-8 is kept as lone surrogates: one bad row must not cost the others.
        with table.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            for line, row in rows(table, file):
                name = f"{table.name} line {line}"
                yield (
                    Dropped(name, "bad row", row)
                    if isinstance(row, str)
                    else _item(name, row, root)
                )
    except OSError as error:
        raise UserError(f"cannot read {table}: {error.strerror}") from error


def _item(name: str, row: Row, root: Path) -> Item:
    lower = {str(key).strip().lower(): value for key, value in row.items()}
    path, said = _first(lower, PICTURE), _first(lower, CAPTION)
    if not isinstance(path, str) or not path.strip():
        return Dropped(name, "bad row", "it names no picture")
    texts = said if isinstance(said, list) else [said or ""]
    shown = f"{name}: {path.strip()}".encode("utf-8", "replace").decode()
    try:
        picture = checked_file(root, root / path.strip())
    except Unusable as error:
        return Dropped(shown, *error.args)
    source, licence = _first(lower, SOURCE), _first(lower, LICENCE)
    return make_record(shown, picture, texts, source=_text(source), licence=_text(licence))


def _first(row: Row, names: tuple[str, ...]) -> Any:
    return next((row[name] for name in names if name in row), None)


def _text(value: Any) -> str | None:
    """A cell of the table as a fact to record; what is not UTF-8 in it is marked."""
    if value is None or not str(value).strip():
        return None
    return str(value).strip().encode("utf-8", "replace").decode()


def _csv_rows(table: Path, file: TextIO) -> Iterator[tuple[int, Row | str]]:
    reader = csv.DictReader(file, delimiter=SEPARATORS[table.suffix.lower()], strict=False)
    columns = [str(name).strip().lower() for name in reader.fieldnames or ()]
    if not set(columns) & set(PICTURE) or not set(columns) & set(CAPTION):
        raise UserError(
            f"{table} has the columns {', '.join(columns) or '(none)'}: one of "
            f"{', '.join(PICTURE)} and one of {', '.join(CAPTION)} are needed in its first line"
        )
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield reader.line_num, str(error)
        else:
            yield reader.line_num, row


def _json_rows(_: Path, file: TextIO) -> Iterator[tuple[int, Row | str]]:
    for number, line in enumerate(iter(lambda: file.readline(MAX_LINE), ""), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield number, f"not JSON: {error}"
        else:
            yield number, row if isinstance(row, dict) else "not a JSON object"
