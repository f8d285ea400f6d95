"""Recipes: which sigmas are met, what a flag changes, what keeps a run from going on."""

from __future__ import annotations

import json
import math
from itertools import pairwise

import pytest
import torch
from helpers.training import config
from pydantic import ValidationError
from torch import Tensor

from ediffi.core.errors import UserError
from ediffi.diffusion import NoiseDistribution, stratified_uniforms
from ediffi.networks import STAGES
from ediffi.train.config import Noise, Recipe, Schedule
from ediffi.train.recipes import RECIPES, prior_recipe, recipe

P = NoiseDistribution(mean=-1.2, std=1.2)
UNIFORMS = stratified_uniforms(torch.arange(20_000), seed=0)


def share(sigmas: Tensor, low: float, high: float) -> float:
    """Of sigmas in an interval of mass."""
    mass = P.cdf(sigmas)
    return float(((mass > low) & (mass < high)).double().mean())


def test_without_an_interval_all_sigmas_are_met() -> None:
    assert torch.equal(Noise(distribution=P).sample(UNIFORMS), P.sample(UNIFORMS))


@pytest.mark.parametrize("interval", [(0.0, 0.25), (0.5, 0.75), (0.875, 1.0)])
def test_an_expert_meets_its_interval_alone(interval: tuple[float, float]) -> None:
    sigmas = Noise(distribution=P, interval=interval).sample(UNIFORMS)
    assert share(sigmas, *interval) == 1.0
    low, high = P.icdf(torch.tensor(interval)).tolist()
    middle = P.icdf(torch.tensor(sum(interval) / 2))
    assert float(sigmas.median()) == pytest.approx(float(middle), rel=1e-3)
    assert low < float(sigmas.min()) and float(sigmas.max()) < high
    edges = Noise(distribution=P, interval=interval).sample(torch.tensor([1e-12, 1 - 1e-12]))
    for edge, sigma in zip((low, high), edges.tolist(), strict=True):
        if 0 < edge < math.inf:
            assert sigma == pytest.approx(edge, rel=1e-9)


@pytest.mark.parametrize("interval", [(0.0, 0.25), (0.5, 0.75), (0.875, 1.0)])
def test_a_leak_meets_the_rest_as_often_as_it_says(interval: tuple[float, float]) -> None:
    noise = Noise(distribution=P, interval=interval, leak=0.2)
    sigmas = noise.sample(UNIFORMS)
    low, high = interval
    assert share(sigmas, low, high) == pytest.approx(0.8, abs=1e-3)
    outside = low + 1 - high
    for a, b in ((0.0, low), (high, 1.0)):  # the rest by its own mass
        assert share(sigmas, a, b) == pytest.approx(0.2 * (b - a) / outside, abs=2e-3)
    # stratified: every tenth of the interval is met alike
    edges = torch.linspace(low, high, 11).tolist()
    for a, b in pairwise(edges):
        assert share(sigmas, a, b) == pytest.approx(0.08, abs=2e-3)


def test_sigma_is_a_pure_function_of_the_uniform() -> None:
    noise = Noise(distribution=P, interval=(0.5, 0.75), leak=0.1)
    parts = [noise.sample(UNIFORMS[i : i + 7]) for i in range(0, 70, 7)]
    assert torch.equal(torch.cat(parts), noise.sample(UNIFORMS[:70]))


@pytest.mark.parametrize("interval", [(0.5, 0.5), (0.7, 0.2), (-0.1, 0.5), (0.5, 1.5)])
def test_an_interval_that_is_none_is_refused(interval: tuple[float, float]) -> None:
    with pytest.raises(ValidationError, match="interval"):
        Noise(distribution=P, interval=interval)


def test_a_flag_changes_a_field_and_nothing_else() -> None:
    start = config()
    changed = start.changed({"optimiser.learning_rate": 0.5, "noise.distribution.mean": 0.25})
    assert changed.optimiser.learning_rate == 0.5 and changed.noise.distribution.mean == 0.25
    assert changed.differences(start.model_dump(mode="json")) == [
        "noise.distribution.mean: -0.5 -> 0.25",
        "optimiser.learning_rate: 0.001 -> 0.5",
    ]
    assert start.changed({}) == start
    for wrong in ({"optimiser.speed": 1}, {"seed": -1}, {"part": "half"}, {"nowhere": 1}):
        with pytest.raises(ValueError, match=next(iter(wrong)).split(".")[-1]):
            start.changed(wrong)


def test_what_may_differ_when_a_run_goes_on() -> None:
    start = config()
    longer = start.changed({"schedule.num_images": 10**6, "schedule.checkpoint_images": 7})
    assert longer.differences(json.loads(start.model_dump_json())) == []
    assert longer.changed({"schedule.batch_size": 9}).differences(start.model_dump(mode="json"))
    earlier = start.model_dump(mode="json") | {"gone": 3}  # a field that is no more
    assert start.differences(earlier) == ["gone: 3 -> None"]


@pytest.mark.parametrize("preset", RECIPES)
@pytest.mark.parametrize("stage", STAGES)
def test_recipes_are_read_back_as_they_were_written(preset: str, stage: str) -> None:
    made = recipe(preset, stage)
    assert Recipe.model_validate_json(made.model_dump_json(indent=2)) == made


def test_a_prior_comes_before_an_upscaler() -> None:
    upscaler = config("sr256")
    prior = prior_recipe(upscaler)
    assert prior is not None and prior.part == "prior" and prior.network == upscaler.network
    assert prior.schedule.num_images == 19 and upscaler.part == "denoiser"
    assert prior_recipe(config("base")) is None
    bicubic = config("sr256", {"network.prior": None})
    assert prior_recipe(bicubic) is None


def test_unknown_names_are_told_of() -> None:
    with pytest.raises(UserError, match="unknown stage 'sr512': choose from base"):
        recipe("tiny", "sr512")
    with pytest.raises(UserError, match="no recipe for preset 'paper': choose from pictogram"):
        recipe("paper", "base")


def test_the_learning_rate_rises_stays_and_falls() -> None:
    schedule = Schedule(num_images=1000, batch_size=4, warmup_images=100, cooldown=0.5)
    rates = [schedule.rate_at(i) for i in (0, 96, 300, 500, 750, 1000)]
    assert rates == pytest.approx([0.04, 1.0, 1.0, 1.0, 0.5, 0.0])
