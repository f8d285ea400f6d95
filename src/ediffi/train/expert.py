"""One node of a plan: its recipe, the state its run starts from, and what the run leaves."""

from __future__ import annotations

import hashlib
from copy import deepcopy
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor, nn

from ediffi.core.files import replace_all
from ediffi.diffusion import Node, edm_loss, noised, stable_hash
from ediffi.diffusion.tree import ROOT
from ediffi.model import ModelFolder
from ediffi.train.config import Origin, Recipe
from ediffi.train.objective import Batch, Objective, objective_of
from ediffi.train.parallel import ALONE, Ranks
from ediffi.train.plan import Form, Plan, Trained, expert_weights, parent_hash
from ediffi.train.state import TrainState, build_model, take

MODULATION = ("modulate.", "noise.")  # what tells a network its noise level


class ExpertRecipe(Recipe):
    """The recipe of one node's run. parent: sha256 of the weights it starts from."""

    node: str
    parent: str
    consistency: float
    form: Form


class NearParent:
    """lambda(sigma) (|D - x|^2 + weight |D - D_parent|^2), mean over pixels, D at x + sigma n."""

    def __init__(self, parent: nn.Module, sigma_data: float, weight: float) -> None:
        self.parent, self.sigma_data, self.weight = parent, sigma_data, weight

    def __call__(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        x = noised(batch.clean, batch.noise, batch.sigma)
        denoised = model(x, batch.sigma, batch.cond)
        with torch.no_grad():
            before = self.parent(x, batch.sigma, batch.cond)
        to_clean = edm_loss(denoised, batch.clean, batch.sigma, self.sigma_data)
        to_parent = edm_loss(denoised, before, batch.sigma, self.sigma_data)
        return {"loss": to_clean + self.weight * to_parent}


def parent_of(
    plan: Plan, run_dir: Path, node: Node, model: ModelFolder
) -> tuple[dict[str, Tensor], ExpertRecipe]:
    """The weights that a node starts from, and its recipe."""
    stage = model.config.stage(plan.recipe.stage)
    if node.parent == ROOT:
        weights, images = plan.root(model), stage.images_seen
    else:
        weights, made = expert_weights(plan, run_dir, plan.tree.node(node.parent))
        images = made.images_seen
    origin = Origin(
        model_hash=model.hash, stage=stage.name, images_seen=images, data=model.config.data
    )
    recipe = plan.recipe.changed(
        {
            "noise.interval": plan.tree.mass(node),
            "noise.leak": plan.leak,
            "schedule.num_images": node.num_images,
            # else a node would meet its parent's noise again
            "seed": stable_hash(plan.recipe.seed, node.node) % 2**31,
            "origin": origin,
        }
    )
    return weights, ExpertRecipe(
        **dict(recipe),
        node=node.node,
        parent=parent_hash(plan, run_dir, node),
        consistency=plan.consistency,
        form=plan.form,
    )


def expert_state(
    config: ExpertRecipe, parent: dict[str, Tensor], ranks: Ranks = ALONE
) -> TrainState[ExpertRecipe]:
    """A node at the start of its training: its parent's weights, of which all learn or the
    modulation alone.

    Raises:
        UserError: the parent is of another architecture.
    """
    model = build_model(config)
    take(model, parent)
    if config.form == "modulation":
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                parameter.requires_grad_(any(f".{part}" in name for part in MODULATION))
    objective: Objective = objective_of(config)
    if config.consistency:
        frozen = deepcopy(model).requires_grad_(False).to(ranks.device)
        objective = NearParent(frozen, config.sigma_data, config.consistency)
    return TrainState(config, model, objective, ranks)


def finish(state: TrainState[ExpertRecipe], plan: Plan, run_dir: Path) -> Trained:
    """Write what a node's run has made: its averaged weights and, last, what vouches for them.
    Every rank must call it; the first writes."""
    config, folder = state.config, run_dir / state.config.node
    data = save(state.averaged())
    made = Trained(
        node=plan.tree.node(config.node),
        parent=config.parent,
        network=config.network,
        images_seen=state.images + (config.origin.images_seen if config.origin else 0),
        sha256=hashlib.sha256(data).hexdigest(),
    )
    if state.ranks.first:
        text = made.model_dump_json(indent=1).encode()
        replace_all({folder / "expert.safetensors": data, folder / "expert.json": text})
    return made
