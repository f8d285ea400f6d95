"""A table of pictures and captions: CSV or TSV with a header, or JSON lines."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from pydantic import AliasChoices, Field

from ediffi.core.errors import UserError
from ediffi.data.readers.record import (
    CAPTION,
    MAX_TEXT,
    Dropped,
    FileName,
    Item,
    Row,
    Unusable,
    find_file,
    parse,
    readable,
)

SEPARATORS = {".csv": ",", ".tsv": "\t"}
# column names people use, the first that is there counts
PICTURE = ("image", "picture", "file", "file_name", "filename", "path", "image_path")


class TableRow(Row):
    """With the path of the picture."""

    picture: FileName = Field(validation_alias=AliasChoices(*PICTURE))


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
                name = readable(f"{table.name} line {line}")
                yield row if isinstance(row, Dropped) else _item(name, row, root)
    except OSError as error:
        raise UserError(f"cannot read {table}: {error.strerror}") from error


def _item(name: str, data: Any, root: Path) -> Item:
    try:
        row = parse(TableRow, data)
        name = f"{name}: {readable(row.picture)}"
        return row.record(name, find_file(root, row.picture))
    except Unusable as error:
        return Dropped(name, *error.args)


def _csv_rows(table: Path, file: TextIO) -> Iterator[tuple[int, Any]]:
    reader = csv.DictReader(file, delimiter=SEPARATORS[table.suffix.lower()], strict=False)
    try:
        columns = [str(name).strip().lower() for name in reader.fieldnames or ()]
    except csv.Error as error:
        raise UserError(f"{table} is no table: {error}") from error
    if not set(columns) & set(PICTURE) or not set(columns) & set(CAPTION):
        found = readable(", ".join(columns))[:200] or "(none)"
        raise UserError(
            f"{table} has the columns {found}: one of "
            f"{', '.join(PICTURE)} and one of {', '.join(CAPTION)} are needed in its first line"
        )
    while True:
        try:
            row: Any = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            row = Dropped(f"{table.name} line {reader.line_num}", "bad row", str(error))
        yield reader.line_num, row


def _json_rows(table: Path, file: TextIO) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(iter(lambda: file.readline(MAX_TEXT), ""), 1):
        if not line.strip():
            continue
        try:
            row: Any = json.loads(line)
        except (ValueError, RecursionError) as error:
            row = Dropped(f"{table.name} line {number}", "bad row", f"not JSON: {error}")
        yield number, row
