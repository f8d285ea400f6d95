"""Experts: which noise levels are whose, and that routing changes nothing else."""

from __future__ import annotations

import json
import threading
from copy import deepcopy

import pytest
import torch
from helpers.networks import awake, input_of
from torch import nn

from ediffi.core.errors import UserError
from ediffi.diffusion import (
    Experts,
    Guided,
    Interval,
    Node,
    NoiseDistribution,
    OneResident,
    Tree,
    branches,
    check_tiling,
    share_of_steps,
)
from ediffi.networks import PRESETS, build_denoiser

INF = float("inf")
THREE = [
    Interval(node="low", sigma_min=0, sigma_max=0.5),
    Interval(node="middle", sigma_min=0.5, sigma_max=5),
    Interval(node="high", sigma_min=5, sigma_max=INF),
]
NETWORK = PRESETS["tiny"]["base"]


@pytest.fixture(scope="module")
def denoisers() -> list[nn.Module]:
    """Three that disagree."""
    return [awake(build_denoiser(NETWORK, 0.5).eval(), std) for std in (0.1, 0.2, 0.3)]


@torch.no_grad()
def test_mixed_batches_equal_each_sample_alone(denoisers: list[nn.Module]) -> None:
    experts, cond = Experts(denoisers, THREE), input_of(NETWORK, batch=6)
    x = torch.randn(6, 3, 16, 16)
    sigma = torch.tensor([0.1, 80.0, 0.5, 4.9, 5.0, 0.2])
    whose = [0, 2, 1, 1, 2, 0]  # an interval owns its lower end
    out = experts(x, sigma, cond)
    for row, number in enumerate(whose):
        one = slice(row, row + 1)
        alone = denoisers[number](x[one], sigma[one], cond.rows(one))
        # float32 in another batch rounds by about 1e-6 of the largest value
        assert (out[one] - alone).abs().max() < 1e-5 * alone.abs().max()
    assert [experts.active(s) for s in sigma.tolist()] == [THREE[n] for n in whose]


class Listens(nn.Module):
    """A denoiser that keeps what it was given."""

    def forward(self, *given: object) -> torch.Tensor:
        self.given = given
        return torch.zeros(1)


def test_a_batch_of_one_expert_is_handed_on_as_it_is() -> None:
    listens = Listens()
    experts, cond = Experts([Listens(), listens, Listens()], THREE), input_of(NETWORK)
    x, sigma = torch.randn(2, 3, 16, 16), torch.tensor([1.0, 2.0])
    experts(x, sigma, cond)
    assert all(ours is theirs for ours, theirs in zip(listens.given, (x, sigma, cond), strict=True))


@torch.no_grad()
def test_experts_that_are_the_same_are_one_denoiser(denoisers: list[nn.Module]) -> None:
    one, cond = denoisers[0], input_of(NETWORK, batch=2)
    experts = Experts([one, deepcopy(one), one], THREE)
    x, sigma = torch.randn(2, 3, 16, 16), torch.tensor([0.2, 40.0])
    expected = Guided(one, 3.0)(x, sigma, cond)
    assert torch.allclose(Guided(experts, 3.0)(x, sigma, cond), expected, atol=1e-5)
    assert torch.equal(experts.initial(x, 80.0, cond), 80.0 * x)


@torch.no_grad()
def test_one_resident_draws_the_same(denoisers: list[nn.Module]) -> None:
    read: list[int] = []

    def reader(number: int) -> nn.Module:
        read.append(number)
        return deepcopy(denoisers[number])

    all_there, one = Experts(denoisers, THREE), OneResident(reader, THREE)
    cond, x = input_of(NETWORK, batch=1), torch.randn(1, 3, 16, 16)
    for sigma in (80.0, 20.0, 3.0, 1.0, 0.3, 0.1):
        level = torch.tensor([sigma])
        assert torch.equal(one(x, level, cond), all_there(x, level, cond))
    assert read == [2, 1, 0]  # each once, from high sigma to low
    single = sum(p.numel() for p in denoisers[0].parameters())
    assert sum(p.numel() for p in one.parameters()) == single


@torch.no_grad()
def test_threads_may_share_one_resident(denoisers: list[nn.Module]) -> None:
    one, cond = OneResident(lambda n: denoisers[n], THREE), input_of(NETWORK, batch=1)
    x, same = torch.randn(1, 3, 16, 16), []

    def draw(sigma: float, number: int) -> None:
        level = torch.tensor([sigma])
        with torch.no_grad():
            same.append(torch.equal(one(x, level, cond), denoisers[number](x, level, cond)))

    levels = [(80.0, 2), (1.0, 1), (0.1, 0)] * 4
    threads = [threading.Thread(target=draw, args=level) for level in levels]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert same == [True] * len(levels)


@pytest.mark.parametrize(
    ("edges", "message"),
    [
        ([(0, 1), (2, INF)], "gap: no expert between node 0 .* and node 1"),
        ([(0, 2), (1, INF)], "overlap: node 0 .* and node 1"),
        ([(0.1, 1), (1, INF)], "gap: no expert below node 0"),
        ([(0, 1), (1, 80)], "gap: no expert above node 1"),
        ([(0, 1), (2, 1), (1, INF)], "node 1 .*reversed"),
        ([], "at least one expert"),
    ],
)
def test_what_does_not_tile_is_refused(edges: list[tuple[float, float]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_tiling(
            [Interval(node=str(n), sigma_min=a, sigma_max=b) for n, (a, b) in enumerate(edges)]
        )


def test_the_papers_base() -> None:
    tree = branches(NoiseDistribution(), left=3, right=9, num_images=100)
    names = [f"{level}.0" for level in range(1, 4)]
    names += [f"{level}.{2**level - 1}" for level in range(1, 10)]
    assert [node.node for node in tree.nodes] == [*names, "rest"]
    assert tree.node("9.511").parent == "8.255" and tree.node("1.1").parent == "0.0"
    low, rest, high = tree.served
    assert low.sigma_max == pytest.approx(0.0757, rel=1e-3)
    assert high.sigma_min == pytest.approx(9.61, rel=1e-3)
    assert (rest.sigma_min, rest.sigma_max) == (low.sigma_max, high.sigma_min)
    assert tree.mass(high) == pytest.approx((511 / 512, 1))
    assert tree.mass(low) == pytest.approx((0, 1 / 8))


def test_two_halves_leave_no_complement_and_leaves_may_come_at_once() -> None:
    halves = branches(NoiseDistribution(), left=1, right=1, num_images=100)
    assert [node.node for node in halves.nodes] == ["1.0", "1.1"]
    direct = branches(NoiseDistribution(), left=3, right=3, num_images=100, chain=False)
    assert [(n.node, n.parent) for n in direct.nodes] == [
        ("3.0", "0.0"),
        ("3.7", "0.0"),
        ("rest", "0.0"),
    ]
    with pytest.raises(UserError, match="no experts"):
        branches(NoiseDistribution(), left=0, right=0, num_images=100)


def test_a_tree_survives_strict_json() -> None:
    tree = branches(NoiseDistribution(), left=2, right=3, num_images=100)
    text = json.dumps(tree.model_dump(mode="json"), allow_nan=False)
    assert Tree.model_validate_json(text) == tree


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"parent": "7.1"}, "unknown parent 7.1"),
        ({"parent": "1.0"}, "does not lie within its parent"),
        ({"node": "1.0"}, "planned twice"),
    ],
)
def test_trees_that_cannot_grow_are_refused(change: dict[str, str], message: str) -> None:
    tree = branches(NoiseDistribution(), left=1, right=1, num_images=100)
    low, high = tree.nodes
    odd = Node.model_validate(high.model_dump() | change)
    with pytest.raises(ValueError, match=message):
        Tree(noise=tree.noise, nodes=(low, odd))


def test_share_of_steps() -> None:
    assert [share_of_steps(i, [80, 20, 5, 1, 0.1]) for i in THREE] == [0.2, 0.2, 0.6]
