"""`ediffi experts`: plan how a network is split into experts, show it, write what is served."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ediffi.core.errors import UserError

if TYPE_CHECKING:
    from rich.tree import Tree as Lines

    from ediffi.train.plan import Plan

app = typer.Typer(
    name="experts", help="Expert denoisers, each for some noise levels.", no_args_is_help=True
)

LEVELS = {"base": (3, 3), "sr256": (1, 1), "sr1024": (0, 0)}  # eDiff-I's base: 3 and 9

PlanFile = Annotated[Path, typer.Argument(help="experts.json, as `ediffi experts plan` wrote it.")]


@app.command()
def plan(
    path: Annotated[Path, typer.Argument(help="File to write, e.g. my-experts/experts.json.")],
    model: Annotated[str, typer.Option("--model", "-m", help="Model to split.")] = "pictogram",
    stage: Annotated[str, typer.Option(help="Its stage: base, sr256 or sr1024.")] = "base",
    num_images: Annotated[int, typer.Option(min=1, help="Images for every node.")] = 100_000,
    left: Annotated[
        int | None, typer.Option(min=0, max=30, help="Level of the lowest-noise expert, 0: none.")
    ] = None,
    right: Annotated[
        int | None, typer.Option(min=0, max=30, help="Level of the highest-noise one; paper: 9.")
    ] = None,
    direct: Annotated[
        bool, typer.Option("--direct", help="Experts from the root at once, no levels between.")
    ] = False,
    leak: Annotated[
        float, typer.Option(min=0, max=0.9, help="Share of sigmas from outside the interval.")
    ] = 0.0,
    consistency: Annotated[
        float, typer.Option(min=0, help="Weight of the distance to the parent's x0.")
    ] = 0.0,
    form: Annotated[str, typer.Option(help="copies, or modulation: a shared trunk.")] = "copies",
    preset: Annotated[str, typer.Option(help="Recipe to train with: pictogram, tiny.")] = (
        "pictogram"
    ),
    data: Annotated[
        Path | None, typer.Option(help="Folder of shards to learn instead of scenes.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of scenes and noise.")] = 0,
    changes: Annotated[
        list[str] | None, typer.Option("--set", help="Any field of the recipe, see `train --show`.")
    ] = None,
) -> None:
    """Plan the tree of experts of a stage and show it.

    ediffi experts plan my-experts/experts.json --num-images 200000 --leak 0.1

    ediffi experts plan paper/experts.json --left 3 --right 9   # as eDiff-I's base
    """
    from ediffi.cli.training import asked_recipe, collection_of, fields_of
    from ediffi.core.files import make_folder
    from ediffi.diffusion import branches
    from ediffi.model import ModelFolder, locate
    from ediffi.train.plan import Plan

    if path.exists():
        raise UserError(f"{path} is there: a plan is not changed while nodes are trained by it")
    if form not in ("copies", "modulation"):
        raise UserError(f"--form {form}: choose copies or modulation")
    recipe = asked_recipe(preset, stage, seed, data, None, None, fields_of(changes or []))
    recipe, _ = collection_of(recipe, data)
    folder = ModelFolder(locate(model))
    if stage not in [config.name for config in folder.config.stages]:
        raise UserError(f"{model} has no stage {stage}")
    config = folder.config.stage(stage)
    if config.experts:
        raise UserError(f"{model}: stage {stage} is an ensemble already; split its root instead")
    same = {
        "network": config.network,
        "sigma_data": config.sigma_data,
        "noise.distribution": config.noise,
        "sampling": config.sampling,
    }
    ends = [LEVELS[stage][n] if asked is None else asked for n, asked in enumerate((left, right))]
    tree = branches(
        config.noise, left=ends[0], right=ends[1], num_images=num_images, chain=not direct
    )
    made = Plan(
        model=model,
        weights=folder.hashes[config.files[0]],
        data=str(data) if data else None,
        tree=tree,
        leak=leak,
        consistency=consistency,
        form=form,
        recipe=recipe.changed(same),
    )
    make_folder(path.parent)
    made.write(path)
    _print(made, path.parent)


@app.command()
def show(path: PlanFile) -> None:
    """Show a plan as a tree: noise levels, shares of p(sigma) and of sampling steps, what is done.

    ediffi experts show my-experts/experts.json
    """
    from ediffi.train.plan import Plan

    _print(Plan.read(path), path.parent)


@app.command()
def merge(
    path: PlanFile,
    output: Annotated[Path, typer.Option("--output", "-o", help="Model folder to write.")],
    one: Annotated[
        bool, typer.Option("--one", help="Merge all back into one network, by task vectors.")
    ] = False,
    scale: Annotated[
        float | None, typer.Option(help="With --one: of the vectors' sum. Default: their mean.")
    ] = None,
    without: Annotated[
        str | None, typer.Option(help="Node that its parent stands in for: what is it worth?")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="The plan's model, where it has another name here.")
    ] = None,
) -> None:
    """Write a model whose stage is served by the trained experts.

    ediffi experts merge my-experts/experts.json -o my-model

    ediffi experts merge my-experts/experts.json -o merged --one --scale 0.5
    """
    from ediffi.model import ModelFolder, locate
    from ediffi.train.merge import merge as write
    from ediffi.train.plan import Plan

    if scale is not None and not one:
        raise UserError("--scale is of --one: an ensemble is served as it was trained")
    made = Plan.read(path)
    folder = ModelFolder(locate(model or made.model))
    if without is not None and one:
        raise UserError("--without is of an ensemble, not of --one network")
    digest = write(made, path.parent, folder, output, one=one, scale=scale, without=without)
    typer.echo(f"{output} has the new {made.recipe.stage}; the model's hash is {digest}")


def _print(plan: Plan, run_dir: Path) -> None:
    from rich.console import Console

    console = Console(highlight=False)
    console.width = max(console.width, 120)  # a cut line would lose what is done
    console.print(_lines(plan, run_dir))


def _lines(plan: Plan, run_dir: Path) -> Lines:
    from rich.tree import Tree as Lines

    from ediffi.diffusion import karras_schedule, share_of_steps
    from ediffi.diffusion.tree import ROOT
    from ediffi.train.plan import trained

    how = plan.recipe.sampling
    sigmas = karras_schedule(how.num_steps, how.sigma_min, how.sigma_max, how.rho)
    lines = {ROOT: Lines(f"{plan.model} {plan.recipe.stage}, {plan.form}, leak {plan.leak:g}")}
    for node in plan.tree.nodes:
        low, high = plan.tree.mass(node)
        done = trained(plan, run_dir, node)
        lines[node.node] = lines[node.parent].add(
            f"{node.node}  sigma {node.sigma_min:.4g} to {node.sigma_max:.4g}  "
            f"{high - low:.1%} of p(sigma)  {share_of_steps(node, sigmas):.0%} of steps  "
            f"{node.num_images:,} images  {'served' if node.served else 'on the way'}  "
            f"{'done' if done else 'to do'}"
        )
    return lines[ROOT]
