"""`ediffi data balance`: sampling weights from a policy's aims for people."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ediffi.cli.display import work_bars

if TYPE_CHECKING:
    from ediffi.data.balance import Weights


def balance(
    collection: Annotated[Path, typer.Argument(help="Folder that `ediffi data import` wrote.")],
    policy: Annotated[
        Path, typer.Option(help="TOML file whose [people] part has the aims, see docs/audit.md.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="File for the weights.")] = Path(
        "weights.json"
    ),
) -> None:
    """Weigh pictures so that the people they name are seen as often as a policy aims at.

    Training takes the file with --weights. Examples:

    ediffi data balance my-shards --policy policy.toml -o weights.json

    ediffi train base --data my-shards --weights weights.json --model my-model
    """
    from ediffi.data.balance import balance as weigh
    from ediffi.data.entries import ShardEntries
    from ediffi.data.policy import Policy

    aims = Policy.read(policy).people
    entries = ShardEntries(collection)
    with work_bars() as bars:
        task = bars.add_task("captions", total=len(entries))
        weights = weigh(entries, aims, lambda count: bars.update(task, completed=count))
    weights.write(output)
    _show(weights)
    typer.echo(f"wrote {output}")


def _show(weights: Weights) -> None:
    """What the weights do, for a person."""
    for attribute, before in weights.before.items():
        for value, share in before.items():
            after = weights.after[attribute][value]
            typer.echo(f"  {attribute:<13}{value:<13}{share:>7.1%} -> {after:>6.1%}")
    num = len(weights.weights)
    least, most = min(weights.weights), max(weights.weights)
    typer.echo(
        f"{num:,} pictures come {least:.2g} to {most:.2g} times as often as before; they teach as "
        f"much as {weights.effective:,.0f} of equal weight"
    )
