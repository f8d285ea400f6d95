"""`ediffi train expert`: train one node of a plan of experts, or go on where it stopped."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from ediffi.cli.options import DeviceName
from ediffi.cli.training import (
    Device,
    ExamplesFolder,
    Parallel,
    ParallelForm,
    Workers,
    collection_of,
    prepare,
    ranked,
    run_to_end,
)


def expert(
    plan: Annotated[Path, typer.Option(help="experts.json; runs are kept beside it.")],
    node: Annotated[
        str | None, typer.Option(help="Node to train, e.g. 2.3. Default: the next undone one.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="The plan's model, where it has another name here.")
    ] = None,
    examples: ExamplesFolder = None,
    workers: Workers = 2,
    device: Device = DeviceName.auto,
    parallel: ParallelForm = Parallel.ddp,
) -> None:
    """Train one node of a plan from its parent's weights; the same command resumes it.

    Called again and again without --node it trains the whole tree.

    ediffi train expert --plan my-experts/experts.json

    ediffi train expert --plan my-experts/experts.json --node 2.3   # on another machine, say
    """
    from ediffi.cli.encoders import dropout_of, training_encoders
    from ediffi.model import ModelFolder, locate
    from ediffi.pictogram.sources import cache_root
    from ediffi.train.examples import Examples, fingerprint
    from ediffi.train.expert import expert_state, finish, parent_of
    from ediffi.train.plan import Plan, next_node, trained
    from ediffi.train.samples import sample_grid

    made, run_dir = Plan.read(plan), plan.parent
    chosen = made.tree.node(node) if node else next_node(made, run_dir)
    if chosen is None or trained(made, run_dir, chosen) is not None:
        what = f"node {chosen.node} is" if chosen else "all nodes are"
        typer.echo(f"{what} trained; write what is served with `ediffi experts merge {plan}`")
        return
    root = model or made.model
    weights, recipe = parent_of(made, run_dir, chosen, ModelFolder(locate(root)))
    _, collection = collection_of(recipe, Path(made.data) if made.data else None)
    encoders, specs, _ = training_encoders(None, None, root, None)
    found = {
        "data.dropout": dropout_of(encoders, None),
        "data.fingerprint": fingerprint(collection, specs),
    }
    recipe, folder = recipe.changed(found), examples or cache_root() / "examples"
    batches = Examples(recipe, collection, encoders, folder=folder, workers=workers)
    with ranked(device, parallel) as ranks:
        typer.echo(f"{chosen} from {chosen.parent}")
        prepare(batches, ranks)
        state = expert_state(recipe, weights, ranks)
        sample = partial(sample_grid, state, batches)
        run_to_end(state, run_dir / chosen.node, batches, sample)
        seen = finish(state, made, run_dir).images_seen
        typer.echo(f"{chosen} has seen {seen:,} images, its parents' included")
