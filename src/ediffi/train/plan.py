"""How one network is split into experts: the plan, as data, and which of its nodes are trained.

A plan is a file, `experts.json`. A node's run is the folder of its name beside it: checkpoints and
log as of every run, and at its end `expert.safetensors` and, last, `expert.json`, which vouches for
it. So what is done is a fact of the files, and nodes may be trained on several machines.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, model_validator
from safetensors.torch import load_file
from torch import Tensor

from ediffi.core.errors import UserError
from ediffi.core.files import file_sha256, write_atomically
from ediffi.diffusion import Node, Tree
from ediffi.diffusion.tree import ROOT
from ediffi.model import ModelFolder
from ediffi.networks import UNetConfig, named_as_now
from ediffi.train.config import Frozen, Recipe

Form = Literal["copies", "modulation"]


class Plan(Frozen):
    """How a stage's network is split into experts.

    model, weights: the model and the sha256 of its stage's file, the root of the tree. recipe: of
    every node but for its interval, parent and budget; its pictures are those of the folder `data`,
    or scenes. leak: how often a sigma from outside a node's interval is drawn. consistency: weight
    of the squared distance to the parent's x0 (both: Decouple-then-Merge, arXiv 2410.06664). form:
    full copies (eDiff-I), or a shared trunk of which only the modulation layers differ.
    """

    format: Literal[1] = 1
    model: str
    weights: str
    data: str | None = None
    tree: Tree
    leak: float = Field(0.0, ge=0, lt=1)
    consistency: float = Field(0.0, ge=0)
    form: Form = "copies"
    recipe: Recipe

    @model_validator(mode="after")
    def _check(self) -> Plan:
        if self.tree.noise != self.recipe.noise.distribution:
            raise UserError("the tree's p(sigma) is not that of the recipe")
        return self

    @classmethod
    def read(cls, path: Path) -> Plan:
        """Read a plan.

        Raises:
            UserError: it cannot be read, or its tree cannot grow, and why.
        """
        try:
            return cls.model_validate_json(path.read_bytes())
        except OSError as error:
            raise UserError(f"cannot read the plan {path}: {error.strerror}") from error
        except ValidationError as error:
            raise UserError(f"plan {path}: {UserError.of(error)}") from error

    def write(self, path: Path) -> None:
        write_atomically(path, self.model_dump_json(indent=1).encode())

    def root(self, folder: ModelFolder) -> dict[str, Tensor]:
        """The weights that everything is split from, float32.

        Raises:
            UserError: the model's stage is not the one that was planned with.
        """
        config = folder.config.stage(self.recipe.stage)
        if folder.hashes.get(config.files[0]) != self.weights:
            raise UserError(
                f"{folder.path}: stage {config.name} has other weights than the plan was made for, "
                f"sha256 {folder.hashes.get(config.files[0])}, planned {self.weights}"
            )
        state = named_as_now(folder.weights(config.name), config.network)
        return {name: tensor.float() for name, tensor in state.items()}


class Trained(Frozen):
    """What a node's run has made. parent: sha256 of the weights it started from; images_seen: with
    those of all networks above it; sha256: of `expert.safetensors`."""

    node: Node
    parent: str
    network: UNetConfig
    images_seen: int
    sha256: str


def trained(plan: Plan, run_dir: Path, node: Node) -> Trained | None:
    """What the run of a node has made, None before its end.

    Raises:
        UserError: its files are damaged, missing, of another plan or another architecture.
    """
    path = run_dir / node.node / "expert.json"
    try:
        made = Trained.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise UserError(f"{path} is damaged: delete it and train the node again") from error
    if made.network != plan.recipe.network:
        raise UserError(f"{path}: node {node.node} is of another architecture than the plan's")
    if made.node != node:
        raise UserError(f"{path} is of another plan: {made.node} there, {node} here")
    return made


def expert_weights(plan: Plan, run_dir: Path, node: Node) -> tuple[dict[str, Tensor], Trained]:
    """The weights of a node, float32, checked, and what is known of them.

    Raises:
        UserError: it is not trained yet, or a file is missing or altered, or its parent has been
            trained anew since.
    """
    made = trained(plan, run_dir, node)
    if made is None:
        raise UserError(f"{node} is not trained: `ediffi train expert --node {node.node}`")
    if made.parent != parent_hash(plan, run_dir, node):
        raise UserError(f"{node} was split from other weights than its parent {node.parent} has")
    path = run_dir / node.node / "expert.safetensors"
    if not path.is_file():
        raise UserError(f"{path} is missing: copy it there, or train the node again")
    if file_sha256(path) != made.sha256:
        raise UserError(f"{path} was altered: its sha256 is not {made.sha256}")
    return load_file(path), made


def parent_hash(plan: Plan, run_dir: Path, node: Node) -> str:
    """sha256 of the weights that a node starts from.

    Raises:
        UserError: the parent is not trained.
    """
    if node.parent == ROOT:
        return plan.weights
    made = trained(plan, run_dir, plan.tree.node(node.parent))
    if made is None:
        raise UserError(f"{node}: its parent {node.parent} must be trained first")
    return made.sha256


def next_node(plan: Plan, run_dir: Path) -> Node | None:
    """The first node that is not trained; its parent is. None if all are."""
    return next((n for n in plan.tree.nodes if trained(plan, run_dir, n) is None), None)
