"""From trained nodes to what is served: an ensemble in a model folder, or one network again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor

from ediffi.core.errors import UserError
from ediffi.diffusion.tree import ROOT
from ediffi.model import ModelFolder, save_model
from ediffi.model.card import write_card
from ediffi.model.config import Expert, StageConfig
from ediffi.train.plan import Plan, Trained, expert_weights

State = dict[str, Tensor]


def task_vectors(parent: Mapping[str, Tensor], experts: Sequence[State], scale: float) -> State:
    """theta = parent + scale * sum of (expert - parent): experts merged back into one network, as
    in Decouple-then-Merge (arXiv 2410.06664, section 3.3). scale 1 / len(experts) is their mean."""
    return {
        name: start + scale * sum(expert[name] - start for expert in experts)
        for name, start in parent.items()
    }


def merge(
    plan: Plan,
    run_dir: Path,
    model: ModelFolder,
    out: Path,
    *,
    one: bool = False,
    scale: float | None = None,
    without: str | None = None,
) -> str:
    """Write the model with its stage's experts, or with `one` network made of them, to the folder
    `out`; returns the new model's hash. The folder of the plan and the model stay as they are.

    scale: of the task vectors, with `one`; None for the mean of the experts. without: a served node
    whose interval is answered by its parent instead, to see what the expert is worth.

    Raises:
        UserError: a node is not trained, or its file is missing, altered or of another
            architecture; or `out` is the model itself, which the plan still needs.
    """
    if out.resolve() == model.path.resolve():
        raise UserError(f"{out} is the model that the plan splits: choose another folder")
    root, stage = plan.root(model), model.config.stage(plan.recipe.stage)
    made = {node.node: expert_weights(plan, run_dir, node) for node in plan.tree.served}
    states = {node: weights for node, (weights, _) in made.items()}
    if without is not None:
        if without not in made:
            raise UserError(f"{without} is not served: {', '.join(made)} are")
        parent = plan.tree.node(without).parent
        states[without] = root
        if parent != ROOT:
            states[without], _ = expert_weights(plan, run_dir, plan.tree.node(parent))
    others = [s for s in model.config.stages if s.name != stage.name]
    weights = {str(s.name): model.weights(s.name) for s in others if not s.experts}
    experts = {
        str(s.name): {e.node: model.weights(s.name, e.node) for e in s.experts}
        for s in others
        if s.experts
    }
    entries: tuple[Expert, ...] = ()
    if one:
        share = 1 / len(states) if scale is None else scale
        weights[stage.name] = task_vectors(root, list(states.values()), share)
    else:
        experts[stage.name] = states
        entries = tuple(_entry(stage, known) for _, known in made.values())
    seen = max(known.images_seen for _, known in made.values())
    changed = stage.model_copy(update={"experts": entries, "images_seen": seen})
    stages = tuple(changed if s is stage else s for s in model.config.stages)
    config = model.config.model_copy(update={"stages": stages, "name": out.name})
    sources = {Path(spec.source) for spec in config.encoders.values()}
    inside = {s for s in sources if not s.is_absolute() and (model.path / s).is_dir()}
    encoders = {str(source): model.path / source for source in inside}
    digest = save_model(out, config, weights, experts=experts, encoders=encoders)
    write_card(out)
    return digest


def _entry(stage: StageConfig, made: Trained) -> Expert:
    interval = made.node
    return Expert(
        node=interval.node,
        sigma_min=interval.sigma_min,
        sigma_max=interval.sigma_max,
        file=f"{stage.name}/{interval.node}.safetensors",
        images_seen=made.images_seen,
    )
