"""A stage: weights in, pictures out, on the device it was moved to."""

from __future__ import annotations

import pytest
import torch
from helpers.networks import awake, input_of, prompt
from torch import Tensor

from ediffi.core.errors import UserError
from ediffi.core.types import Progress
from ediffi.diffusion import Experts, result_of
from ediffi.model import Sampling, Stage, StageConfig
from ediffi.model.config import Expert
from ediffi.model.denoiser import denoiser_of
from ediffi.networks import PRESETS, build_denoiser

HOW = Sampling(num_steps=3, sigma_min=0.05, sigma_max=5.0, guidance_scale=2.0)


def config(name: str) -> StageConfig:
    network = PRESETS["tiny"][name]
    return StageConfig(name=name, resolution=16, network=network, sigma_data=0.5, sampling=HOW)


def stage(name: str) -> Stage:
    return Stage(config(name), awake(build_denoiser(PRESETS["tiny"][name], 0.5)))  # type: ignore[arg-type]


def drawn(stage: Stage, batch: int = 3, rows: slice = slice(None)) -> Tensor:
    cond = input_of(stage.config.network, batch).rows(rows)
    seeds = list(range(batch))[rows]
    steps = stage.sample(cond.prompt, seeds, low_res=cond.low_res, dtype=torch.float32)
    return result_of(steps)


@pytest.mark.parametrize("name", ["base", "sr256"])
def test_a_picture_depends_on_its_own_seed_prompt_and_small_picture_alone(name: str) -> None:
    made = stage(name)
    whole = drawn(made)
    assert whole.shape == (3, 3, 16, 16) and whole.abs().max() <= 1
    torch.testing.assert_close(drawn(made, rows=slice(1, 2)), whole[1:2], atol=1e-4, rtol=0)
    assert not torch.allclose(whole[0], whole[1])


def test_every_evaluation_is_told_of() -> None:
    steps = list(stage("base").sample(prompt(2), [0, 1], dtype=torch.float32))
    assert all(isinstance(step, Progress) for step in steps)
    assert [(step.stage, step.step, step.num_steps) for step in steps] == [
        ("base", n, 3) for n in (1, 2, 3)
    ]


@pytest.mark.parametrize("name", ["base", "sr256"])
def test_weights_and_device(name: str) -> None:
    old = stage(name)
    again = Stage(config(name), denoiser_of(config(name), old.denoiser.state_dict()))
    assert torch.equal(drawn(again), drawn(old))
    assert not any(p.requires_grad for p in again.denoiser.parameters())
    assert again.to("meta").device.type == "meta"
    with pytest.raises(UserError, match=f"weights of stage {name} do not fit"):
        denoiser_of(config(name), {"network.enter.weight": torch.zeros(1)})


def test_an_upscaler_and_only_it_needs_a_small_picture() -> None:
    for name, low_res in (("base", torch.zeros(2, 3, 4, 4)), ("sr256", None)):
        with pytest.raises(ValueError, match="needs low_res"):
            next(stage(name).sample(prompt(2), [0, 1], low_res=low_res))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("name", ["base", "sr256"])
def test_cuda_draws_what_the_cpu_draws(name: str) -> None:
    expected, made = drawn(stage(name)), stage(name).to("cuda")
    out = drawn(made)
    assert made.device.type == "cuda" and out.device.type == "cpu"
    torch.testing.assert_close(out, expected, atol=5e-2, rtol=0)


def test_an_ensemble_tells_who_answers() -> None:
    halves = [
        Expert(node="low", sigma_min=0, sigma_max=0.5, file="a", images_seen=1),
        Expert(node="high", sigma_min=0.5, sigma_max=float("inf"), file="b", images_seen=1),
    ]
    whole = config("base").model_copy(update={"experts": tuple(halves)})
    networks = [awake(build_denoiser(whole.network, 0.5)) for _ in halves]
    ensemble = Stage(whole, Experts(networks, halves))
    told = [step.expert for step in ensemble.sample(prompt(1), [0], dtype=torch.float32)]
    high, low = "node high [0.5, inf)", "node low [0, 0.5)"
    assert told == [high, high, low]  # sigmas from 5 to 0.05
    assert whole.experts_met(HOW) == [high, low]
    assert config("base").experts_met(HOW) == []
