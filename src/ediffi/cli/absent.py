"""`ediffi data absent`: a check that what was opted out is in no build and no model."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ediffi.cli.audit import open_entries
from ediffi.core.errors import UserError

if TYPE_CHECKING:
    from ediffi.data.exclusions import Exclusions

SHOWN = 10


def absent(
    exclusions: Annotated[Path, typer.Argument(help="List as for --exclude of build and import.")],
    places: Annotated[
        list[str],
        typer.Argument(help="pictogram, folders of shards, models: where it must not be."),
    ],
    variants: Annotated[
        bool, typer.Option("--variants", help="Of pictogram: its variants of people, too.")
    ] = False,
    cache: Annotated[Path | None, typer.Option(help="Where the grid was built.")] = None,
) -> None:
    """Check that nothing on a list is in a build, or among a model's sources.

    Ends with code 1 if something is there. Of a model only sources and licences can be told.
    Examples:

    ediffi data absent opted-out.txt pictogram

    ediffi data absent opted-out.txt my-shards my-model
    """
    from ediffi.data.exclusions import Exclusions

    listed = Exclusions.read(exclusions)
    found = 0
    for place in places:
        there = _in_model(listed, place)
        if there is None:
            there = _in_collection(listed, place, cache=cache, variants=variants)
        found += len(there)
        typer.echo(f"{place}: {len(there):,} found" if there else f"{place}: none of it is there")
        for line in there[:SHOWN]:
            typer.echo(f"  {line}")
        if len(there) > SHOWN:
            typer.echo(f"  and {len(there) - SHOWN:,} more")
    if found:
        raise typer.Exit(1)


def _in_model(listed: Exclusions, place: str) -> list[str] | None:
    """What is listed of a model's sources; None if there is no such model folder."""
    from ediffi.model import ModelFolder
    from ediffi.model.folder import MANIFEST

    folder = Path(place)
    if not (folder / MANIFEST).is_file():
        return None
    told = ModelFolder(folder).config.data
    each = (
        (s.source, listed.excluding(source=part, licence=s.licence))
        for s in told
        for part in s.source.split(", ")
    )
    return [f"{source}  ({line})" for source, line in each if line is not None]


def _in_collection(
    listed: Exclusions, place: str, *, cache: Path | None, variants: bool
) -> list[str]:
    if place != "pictogram" and not Path(place).is_dir():
        raise UserError(f"{place} is neither pictogram nor a folder of shards or of a model")
    entries = open_entries(place, cache=cache, variants=variants and place == "pictogram")
    asks_bytes = any(kind == "sha256" for kind, _ in listed.entries)
    out = []
    for number in range(len(entries)):
        entry = entries.entry(number)
        sha256 = hashlib.sha256(entries.file(number)).hexdigest() if asks_bytes else None
        line = listed.excluding(
            picture=entry.name,
            concept=entry.concept,
            style=entry.style,
            source=entry.source,
            licence=entry.licence,
            sha256=sha256,
        )
        if line is not None:
            out.append(f"{entry.name}  ({line})")
    return out
