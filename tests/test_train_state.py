"""What changes while a stage trains: on one device, from given weights, the prior as it is."""

from __future__ import annotations

import pytest
import torch
from helpers.networks import awake, input_of
from helpers.training import config, equal
from torch import nn

from ediffi.core.errors import UserError
from ediffi.diffusion import Around, gaussian
from ediffi.networks import STAGES, build_prior
from ediffi.train.config import Recipe
from ediffi.train.objective import Batch
from ediffi.train.parallel import Ranks
from ediffi.train.recipes import RECIPES, recipe
from ediffi.train.state import TrainState, stage_state


def batch(settings: Recipe, side: int = 16) -> Batch:
    return Batch(
        clean=gaussian([0, 1], (3, side, side)).clamp(-1, 1),
        noise=gaussian([2, 3], (3, side, side)),
        sigma=torch.tensor([0.1, 2.0]),
        uniforms=torch.tensor([0.2, 0.8]),
        cond=input_of(settings.network, side=side),
    )


def tensors(state: TrainState[Recipe]) -> dict[str, torch.Tensor]:
    """What a checkpoint of it holds."""
    return dict(state.named_tensors())


@pytest.mark.parametrize("part", ["denoiser", "prior"])
@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("preset", RECIPES)
def test_the_objective_of_every_recipe_on_the_meta_device(
    preset: str, stage: str, part: str
) -> None:
    if part == "prior" and stage == "base":
        return  # it has none
    settings = recipe(preset, stage).changed({"part": part})
    state = stage_state(settings, ranks=Ranks(torch.device("meta")))
    assert {t.device.type for t in state.model.state_dict().values()} == {"meta"}
    losses = state.objective(state.model, batch(settings, side=64).to("meta"))["loss"]
    assert losses.device.type == "meta" and losses.shape == (2,)
    losses.mean().backward()
    assert all(p.grad is not None for p in state.parameters.values() if p.requires_grad)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("stage", STAGES)
def test_steps_on_cuda_are_about_those_on_the_cpu(stage: str) -> None:
    settings = config(stage)
    cuda = Ranks(torch.device("cuda"))
    here, there = stage_state(settings), stage_state(settings, ranks=cuda)
    for _ in range(3):
        losses = here.step(batch(settings))["loss"]
        theirs = there.step(batch(settings))["loss"]
        assert theirs.device.type == "cuda"
        torch.testing.assert_close(theirs.cpu(), losses, rtol=0.05, atol=0.05)
    again = stage_state(settings, ranks=cuda)
    again.restore(tensors(there), there.images)
    assert equal(tensors(again), tensors(there))


def test_the_prior_stays_as_it_is_given() -> None:
    settings = config("sr256")
    given = awake(build_prior(settings.network)).state_dict()
    state = stage_state(settings, prior=given)
    assert isinstance(state.model, Around)
    assert not any(name.startswith("prior.") for name in state.parameters)
    before = {name: p.detach().clone() for name, p in state.parameters.items()}
    for _ in range(2):
        state.step(batch(settings))
    assert not equal(before, {n: p.detach() for n, p in state.parameters.items()})
    assert equal(state.model.prior.state_dict(), given)
    assert all(torch.equal(state.averaged()[f"prior.{name}"], t) for name, t in given.items())
    again = stage_state(settings)  # a checkpoint brings its prior with it
    again.restore(tensors(state), state.images)
    assert isinstance(again.model, Around) and equal(again.model.prior.state_dict(), given)
    with pytest.raises(UserError, match="another network"):
        stage_state(settings, prior={"enter.weight": torch.zeros(1)})


def test_the_average_follows_the_weights() -> None:
    settings = config(changes={"schedule.ema_images": 1, "optimiser.learning_rate": 0.1})
    state = stage_state(settings)
    for _ in range(3):
        state.step(batch(settings))
    for name, own in state.model.state_dict().items():
        # at a half-life of next to nothing
        torch.testing.assert_close(state.averaged()[name], own, atol=1e-3, rtol=0, msg=name)
    slow = stage_state(config(changes={"optimiser.learning_rate": 0.1}))
    for _ in range(3):
        slow.step(batch(settings))
    assert not equal(slow.averaged(), slow.model.state_dict())


def test_a_step_that_is_not_finite_changes_nothing() -> None:
    state = stage_state(config())
    before = {name: t.clone() for name, t in state.named_tensors()}
    bad = batch(state.config)
    with pytest.raises(FloatingPointError, match="norm"):
        state.step(bad.map(lambda t: t * float("nan") if t.dtype == torch.float32 else t))
    assert equal(tensors(state), before) and state.images == 0


def test_weights_by_name() -> None:
    settings, said = config(changes={"seed": 5}), list[str]()
    other = stage_state(config()).model.state_dict()
    part = {n: t for n, t in other.items() if "conditioner" not in n}
    given = {**part, "something": torch.zeros(1)}
    state = stage_state(settings, initial=given, report=said.append)
    assert f"{len(other) - len(part)} tensors are new, 1 were not used" in said[0]
    for weights in (state.model.state_dict(), state.averaged()):
        assert all(torch.equal(weights[name], t) for name, t in part.items())
    with pytest.raises(UserError, match="another network"):
        stage_state(settings, initial={"network.enter.weight": torch.zeros(1)})
    with pytest.raises(UserError, match="not one name fits"):
        stage_state(settings, initial={"something": torch.zeros(1)})


def test_fresh_weights_are_of_the_seed() -> None:
    def weights(seed: int) -> dict[str, torch.Tensor]:
        model: nn.Module = stage_state(config(changes={"seed": seed})).model
        return model.state_dict()

    assert equal(weights(1), weights(1)) and not equal(weights(1), weights(2))
