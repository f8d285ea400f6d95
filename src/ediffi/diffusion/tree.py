"""The tree of experts: intervals of equal mass of p(sigma), split step by step from one network."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator

from ediffi.core.errors import UserError
from ediffi.diffusion.experts import Interval, check_tiling
from ediffi.diffusion.sigmas import NoiseDistribution

ROOT = "0.0"  # the network that everything is split from, trained on all of p(sigma)
COMPLEMENT = "rest"


class Node(Interval):
    """A network to train: from its parent's weights, on so many images of its interval.

    served: whether it is an expert of the ensemble, or only a step on the way to one.
    """

    parent: str = ROOT
    num_images: int = Field(gt=0)
    served: bool = True


class Tree(BaseModel):
    """What is trained, parents before their children; the served nodes tile the sigma axis."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    noise: NoiseDistribution
    nodes: tuple[Node, ...]

    @model_validator(mode="after")
    def _check(self) -> Tree:
        known: dict[str, Node | None] = {ROOT: None}
        for node in self.nodes:
            if node.node in known:
                raise UserError(f"{node} is planned twice")
            if node.parent not in known:
                raise UserError(f"{node}: unknown parent {node.parent}, parents come first")
            parent = known[node.parent]
            if parent is not None and not (
                parent.sigma_min <= node.sigma_min and node.sigma_max <= parent.sigma_max
            ):
                raise UserError(f"{node} does not lie within its parent, {parent}")
            known[node.node] = node
        check_tiling(self.served)
        return self

    @property
    def served(self) -> list[Node]:
        """The experts, from low sigma to high."""
        return sorted((n for n in self.nodes if n.served), key=lambda n: n.sigma_min)

    def node(self, name: str) -> Node:
        """The node of that name.

        Raises:
            UserError: there is none.
        """
        for node in self.nodes:
            if node.node == name:
                return node
        names = ", ".join(node.node for node in self.nodes)
        raise UserError(f"the plan has no node {name!r}: choose from {names}")

    def mass(self, interval: Interval) -> tuple[float, float]:
        """The shares of p(sigma)'s mass below an interval's two ends."""
        edges = torch.tensor([interval.sigma_min, interval.sigma_max], dtype=torch.float64)
        low, high = self.noise.cdf(edges).tolist()
        return low, high


def branches(
    noise: NoiseDistribution, *, left: int, right: int, num_images: int, chain: bool = True
) -> Tree:
    """The paper's tree: the leftmost nodes down to E_0^left, the rightmost down to
    E_(2^right - 1)^right, and the complement, one network for all that lies between the two.

    Args:
        left, right: levels; 0 for no expert at that end. eDiff-I's base has 3 and 9, its first
            upscaler 1 and 1, which leave no complement.
        num_images: of every node.
        chain: train every level's node on the way, each from the one above; else the last from the
            root at once.

    Raises:
        UserError: no experts at all, or ends that overlap.

    >>> tree = branches(NoiseDistribution(), left=3, right=9, num_images=1000, chain=False)
    >>> [str(node) for node in tree.served]
    ['node 3.0 [0, 0.07574)', 'node rest [0.07574, 9.61)', 'node 9.511 [9.61, inf)']
    """
    if min(left, right) < 0 or left == right == 0:
        raise UserError(f"levels {left} and {right}: no experts. Give --left or --right above 0")
    nodes = []
    for depth, last in ((left, False), (right, True)):
        parent = ROOT
        for level in range(1 if chain else max(1, depth), depth + 1):
            index = 2**level - 1 if last else 0
            low, high = noise.interval(level, index)
            node = Node(
                node=f"{level}.{index}",
                sigma_min=low,
                sigma_max=high,
                parent=parent,
                num_images=num_images,
                served=level == depth,
            )
            nodes.append(node)
            parent = node.node
    low = noise.interval(left, 0)[1] if left else 0.0
    high = noise.interval(right, 2**right - 1)[0] if right else float("inf")
    if low < high:
        nodes.append(Node(node=COMPLEMENT, sigma_min=low, sigma_max=high, num_images=num_images))
    return Tree(noise=noise, nodes=tuple(nodes))


def share_of_steps(interval: Interval, sigmas: Sequence[float]) -> float:
    """How much of a schedule's noise levels lie in an interval."""
    return sum(sigma in interval for sigma in sigmas) / len(sigmas)
