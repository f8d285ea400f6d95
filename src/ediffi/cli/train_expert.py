"""`ediffi train expert`: train one node of a plan of experts, or go on where it stopped."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ediffi.cli.display import follow, work_bars
from ediffi.cli.options import DeviceName

if TYPE_CHECKING:
    from ediffi.diffusion import Node
    from ediffi.train.branch import Plan


def expert(
    plan: Annotated[Path, typer.Option(help="experts.json; runs are kept beside it.")],
    node: Annotated[
        str | None, typer.Option(help="Node to train, e.g. 2.3. Default: the next undone one.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="The plan's model, where it has another name here.")
    ] = None,
    examples: Annotated[
        Path | None,
        typer.Option(help="Where drawn and encoded examples are kept. Default: the user's cache."),
    ] = None,
    workers: Annotated[int, typer.Option(min=0, help="Processes that make examples ahead.")] = 2,
    device: Annotated[
        DeviceName, typer.Option(help="auto is cuda, mps or cpu, the first there is.")
    ] = DeviceName.auto,
) -> None:
    """Train one node of a plan from its parent's weights; the same command resumes it.

    Called again and again without --node it trains the whole tree.

    ediffi train expert --plan my-experts/experts.json

    ediffi train expert --plan my-experts/experts.json --node 2.3   # on another machine, say
    """
    from ediffi.train.branch import Plan, next_node, trained

    made, run_dir = Plan.read(plan), plan.parent
    chosen = made.tree.node(node) if node else next_node(made, run_dir)
    if chosen is None or trained(made, run_dir, chosen) is not None:
        what = f"node {chosen.node} is" if chosen else "all nodes are"
        typer.echo(f"{what} trained; write what is served with `ediffi experts merge {plan}`")
        return
    _train(made, run_dir, chosen, model or made.model, examples, workers, device)


def _train(
    plan: Plan,
    run_dir: Path,
    node: Node,
    model: str,
    examples: Path | None,
    workers: int,
    device: str,
) -> None:
    from ediffi.cli.encoders import dropout_of, training_encoders
    from ediffi.cli.train import collection_of, log_line
    from ediffi.model import ModelFolder, locate
    from ediffi.model.devices import pick_device
    from ediffi.pictogram.sources import cache_root
    from ediffi.train.branch import ExpertState, finish, parent_of
    from ediffi.train.examples import Examples, fingerprint
    from ediffi.train.loop import train

    weights, recipe = parent_of(plan, run_dir, node, ModelFolder(locate(model)))
    _, collection = collection_of(recipe, Path(plan.data) if plan.data else None)
    encoders, specs, _ = training_encoders(None, None, model, None)
    recipe = recipe.changed(
        {
            "data.dropout": dropout_of(encoders, None),
            "data.fingerprint": fingerprint(collection, specs),
        }
    )
    typer.echo(f"{node} from {node.parent}, run {run_dir / node.node}")
    state = ExpertState(recipe, weights, device=pick_device(device))
    folder = examples or cache_root() / "examples"
    batches = Examples(recipe, collection, encoders, folder=folder, workers=workers)
    ticks = train(state, run_dir / node.node, batches, report=typer.echo)
    with work_bars(stderr=False) as bars:
        follow(ticks, bars, node.num_images, log_line)
    if state.images < node.num_images:
        raise typer.Exit(130)
    made = finish(state, plan, run_dir)
    typer.echo(f"{node} has seen {made.images_seen:,} images, its parents' included")
