"""`ediffi data audit`: what a collection is made of, and whether a policy allows it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ediffi.cli.display import work_bars
from ediffi.core.errors import UserError

if TYPE_CHECKING:
    from ediffi.data.audit import Audit
    from ediffi.data.entries import Entries

Collection = Annotated[
    str, typer.Argument(help="pictogram, or a folder that `ediffi data import` or shard wrote.")
]
Variants = Annotated[
    bool, typer.Option("--variants", help="Of pictogram: with the variants of people.")
]
Cache = Annotated[Path | None, typer.Option(help="Where the grid was built.")]


def audit(
    collection: Collection,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder for the report: index.html.")
    ] = None,
    policy: Annotated[
        Path | None, typer.Option(help="TOML file that says what is allowed, see docs/audit.md.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print all of it, for programs.")] = False,
    variants: Variants = False,
    cache: Cache = None,
) -> None:
    """Count licences, sources, look-alikes, sizes, captions and people; hold them against a policy.

    The report has plots, audit.json and a Croissant description. Ends with code 1 if anything is
    against the policy. Examples:

    ediffi data audit my-shards -o report

    ediffi data audit pictogram --variants -o report

    ediffi data audit my-shards --policy policy.toml --json
    """
    from ediffi.data.audit import audit as look
    from ediffi.data.policy import Policy

    rules = Policy.read(policy) if policy else Policy()
    entries = open_entries(collection, cache=cache, variants=variants)
    with work_bars() as bars:
        task = bars.add_task("pictures", total=len(entries))
        found = look(entries, rules, lambda count: bars.update(task, completed=count))
    if output is not None:
        from ediffi.data.audit_report import write_report
        from ediffi.data.croissant import croissant

        described = croissant(found, entries.files, rules.about)
        name = policy.name if policy else ""
        page = write_report(found, entries, output, croissant=described, policy_name=name)
        typer.echo(f"wrote {page}", err=True)
    if as_json:
        typer.echo(json.dumps(found.as_json(), indent=1, ensure_ascii=False))
    else:
        typer.echo(summary(found))
    if found.violations:
        raise typer.Exit(1)


def open_entries(collection: str, *, cache: Path | None, variants: bool) -> Entries:
    """The pictures of the grid or of a folder of shards.

    Raises:
        UserError: neither is there.
    """
    if collection == "pictogram":
        from ediffi.pictogram.entries import GridEntries
        from ediffi.pictogram.grid import Grid
        from ediffi.pictogram.sources import variants_dir

        grids = [Grid.load(cache)]
        if variants:
            grids.append(Grid.load(variants_dir(cache)))
        return GridEntries(grids, "pictogram and variants" if variants else "pictogram")
    if variants:
        raise UserError("--variants belongs to pictogram: shards hold what they hold")
    from ediffi.data.entries import ShardEntries

    return ShardEntries(Path(collection))


def summary(found: Audit) -> str:
    """The main counts, for a person."""
    lines = [f"{found.name}: {found.pictures:,} pictures", "", "licences"]
    for licence in found.licences:
        verdict = "" if licence.allowed else "  NOT ALLOWED"
        name = licence.spdx or f"unknown ({', '.join(licence.written[:3])})"
        lines.append(f"  {name}: {licence.pictures:,}{verdict}")
    lines += ["", "sources"]
    for source in found.sources[:20]:
        lines.append(f"  {source.source or '(none)'}: {source.pictures:,} ({source.share:.1%})")
    lines += ["", f"look like an earlier one: {found.near_share:.1%}"]
    if found.captions:
        words = found.captions
        lines.append(f"words in a caption: {words.least} to {words.most}, median {words.median:g}")
    if found.sides:
        sides = found.sides
        lines.append(f"shorter sides: {sides.least} to {sides.most} px, median {sides.median:g}")
    if found.vectors:
        lines.append(f"vectors, of any size: {found.vectors:,}")
    lines.append(f"captions that name people: {found.people.pictures:,}")
    for attribute, values in found.people.values.items():
        if values:
            counts = ", ".join(f"{value} {count:,}" for value, count in values.items())
            lines.append(f"  {attribute}: {counts}")
    if found.violations:
        lines += ["", "against the policy:", *(f"  {text}" for text in found.violations)]
    return "\n".join(lines)
