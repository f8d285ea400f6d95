"""`ediffi experiment experts`: do experts help, at equal training and equal sampling cost?"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ediffi.core.errors import UserError

if TYPE_CHECKING:
    from ediffi.diffusion import Tree

ARMS = {
    "root": "the network that is split, nothing added",
    "parent": "(a) trained on",
    "wide": "(b) trained on with a wider p(sigma)",
    "copies": "(c) the paper's experts, whole networks",
    "modulation": "(d) experts on a shared trunk",
    "merged": "(e) the experts of (c) merged into one network",
}
WIDER = 1.25  # times the std of ln sigma


@dataclass(frozen=True)
class Step:
    """A command of `ediffi`, and the file that is there when it is done."""

    command: tuple[str, ...]
    done: Path


def experts(
    context: typer.Context,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the experiment.")],
    model: Annotated[str, typer.Option("--model", "-m", help="Model to split.")],
    stage: Annotated[str, typer.Option(help="Its stage: base, sr256 or sr1024.")] = "base",
    num_images: Annotated[int, typer.Option(min=1, help="Images for every node.")] = 100_000,
    left: Annotated[int, typer.Option(min=0, max=30, help="Level of the lowest-noise one.")] = 3,
    right: Annotated[int, typer.Option(min=0, max=30, help="Level of the highest-noise one.")] = 3,
    seeds: Annotated[str, typer.Option(help="Of training, e.g. 0,1,2.")] = "0",
    arms: Annotated[str, typer.Option(help="Of these.")] = ",".join(ARMS),
    swaps: Annotated[
        bool, typer.Option("--swaps", help="Also each expert of (c) exchanged for its parent.")
    ] = False,
    leak: Annotated[float, typer.Option(min=0, max=0.9, help="See `ediffi experts plan`.")] = 0.1,
    preset: Annotated[str, typer.Option(help="Recipe to train with.")] = "pictogram",
    data: Annotated[
        str, typer.Option(help="pictogram, or a folder that `ediffi data import` wrote.")
    ] = "pictogram",
    guidance: Annotated[str, typer.Option(help="Scales to draw with.")] = "1,2,3,5",
    eval_images: Annotated[int, typer.Option(min=8, help="Drawn at each scale.")] = 500,
    metrics: Annotated[
        str, typer.Option(help="See `ediffi evaluate run`.")
    ] = "fd,kid,clip,concept",
    changes: Annotated[
        list[str] | None, typer.Option("--set", help="Any field of the recipe of every arm.")
    ] = None,
    only_list: Annotated[
        bool, typer.Option("--list", help="Print the commands that it is made of and stop.")
    ] = False,
) -> None:
    """Every arm gets the images of all nodes together, and draws with as many evaluations.

    It is a chain of other commands, printed as they run; each resumes where it was stopped, and so
    does this one. Writes experts.md, experts.json and the curves. Examples:

    ediffi experiment experts -m my-model -o experts --num-images 50000 --seeds 0,1,2

    ediffi experiment experts -m my-model -o experts --arms parent,copies --list
    """
    from ediffi.cli.lists import names
    from ediffi.evaluate.arms import write_comparison

    chosen = names(arms) or ()
    unknown = [arm for arm in chosen if arm not in ARMS]
    if unknown:
        raise UserError(f"no arm {unknown[0]!r}: choose from {', '.join(ARMS)}")
    tree = _tree(model, stage, left, right, num_images)
    shared = ["--preset", preset, *(["--data", data] if data != "pictogram" else [])]
    shared += [part for change in changes or () for part in ("--set", change)]
    planned = ["--stage", stage, "--num-images", str(num_images), "--left", str(left)]
    planned += ["--right", str(right), "--leak", str(leak), *shared]
    asked = ["--guidance", guidance, "-n", str(eval_images), "--metrics", metrics, "--data", data]
    records: dict[str, list[Path]] = {}
    steps: list[Step] = []
    for seed in names(seeds) or ():
        folder, seeded = output / f"seed-{seed}", ["--seed", seed]
        models = {"root": Path(model)} if "root" in chosen else {}
        for form in ("copies", "modulation"):
            if form in chosen or (form == "copies" and ("merged" in chosen or swaps)):
                steps += _ensemble(folder / form, model, [*planned, *seeded], form, tree)
                if form in chosen or swaps:
                    models[form] = folder / form / "model"
        for name in ("parent", "wide"):
            if name in chosen:
                how = [*shared, *seeded, "--num-images", str(num_images * len(tree.nodes))]
                how += _wide(tree) if name == "wide" else []
                steps.append(_trained(folder / name, model, stage, how))
                models[name] = folder / name / "model"
        for name, how in _merges(tree, merged="merged" in chosen, swaps=swaps):
            models[name] = folder / name.replace(" ", "-") / "model"
            steps.append(_merged(folder / "copies", models[name], how))
        for name, its in models.items():
            report = folder / name.replace(" ", "-") / "evaluation"
            records.setdefault(name, []).append(report / "record.json")
            command = ("evaluate", "run", str(its), *asked, "-o", str(report))
            steps.append(Step(command, report / "record.json"))
    _run(context, steps, only_list)
    if not only_list:
        typer.echo(write_comparison(output, records, ARMS))


def _tree(model: str, stage: str, left: int, right: int, num_images: int) -> Tree:
    from ediffi.diffusion import branches
    from ediffi.model import ModelFolder, locate

    noise = ModelFolder(locate(model)).config.stage(stage).noise
    return branches(noise, left=left, right=right, num_images=num_images)


def _wide(tree: Tree) -> list[str]:
    return ["--set", f"noise.distribution.std={round(WIDER * tree.noise.std, 4)}"]


def _merges(tree: Tree, *, merged: bool, swaps: bool) -> Iterator[tuple[str, list[str]]]:
    """Arms that are made of the experts of (c), and the options that make them."""
    if merged:
        yield "merged", ["--one"]
    for node in tree.served if swaps else ():
        yield f"copies without {node.node}", ["--without", node.node]


def _ensemble(
    folder: Path, model: str, plan: Sequence[str], form: str, tree: Tree
) -> Iterator[Step]:
    path = folder / "experts.json"
    named = ("--model", model, "--form", form, *plan)
    yield Step(("experts", "plan", str(path), *named), path)
    for node in tree.nodes:
        command = ("train", "expert", "--plan", str(path), "--node", node.node)
        yield Step(command, folder / node.node / "expert.json")
    yield _merged(folder, folder / "model", [])


def _merged(plan: Path, model: Path, how: Sequence[str]) -> Step:
    command = ("experts", "merge", str(plan / "experts.json"), "-o", str(model), *how)
    return Step(command, model / "manifest.json")


def _trained(folder: Path, model: str, stage: str, how: Sequence[str]) -> Step:
    run = ("--from", model, "--run", str(folder / "run"), "--model", str(folder / "model"))
    return Step(("train", stage, *run, *how), folder / "model" / "manifest.json")


def _run(context: typer.Context, steps: Sequence[Step], only_list: bool) -> None:
    """Those that are not done, one after the other."""
    ediffi: Any = context.find_root().command
    for number, step in enumerate(steps, 1):
        line = shlex.join(("ediffi", *step.command))
        if step.done.is_file() and not only_list:
            continue
        typer.echo(line if only_list else f"\n[{number} of {len(steps)}] {line}")
        if not only_list:
            code = ediffi.main(list(step.command), prog_name="ediffi", standalone_mode=False)
            if code:
                raise typer.Exit(code)
