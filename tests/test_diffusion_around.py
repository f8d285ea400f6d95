"""Diffusion around a prior's prediction: only what the prior lacks is drawn."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from helpers.networks import awake, input_of
from torch import Tensor, nn

from ediffi.core.types import Prompt, StageInput
from ediffi.diffusion import EDM, Around, Predicted, gaussian
from ediffi.networks import PRESETS, build_denoiser

SD = 0.4
SIGMA = torch.tensor([0.1, 2.0])
COND = StageInput(Prompt({}, {"t5": torch.ones(2, dtype=torch.bool)}))


class Zero(nn.Module):
    """F = 0; keeps what it was asked."""

    def forward(self, x: Tensor, sigma: Tensor, cond: StageInput) -> Tensor:
        self.x, self.cond = x, cond
        return torch.zeros_like(x)


class Flat(nn.Module):
    """A prior that predicts an even picture of its own one weight, and counts."""

    def __init__(self) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.tensor(0.3))
        self.sizes: list[tuple[int, int]] = []

    def forward(self, cond: StageInput, size: tuple[int, int]) -> Predicted:
        self.sizes.append(size)
        return Predicted(self.value.expand(len(cond), 3, *size), torch.full((len(cond), 1), 7.0))


def test_only_what_the_prior_lacks_is_drawn() -> None:
    network, missing = Zero(), gaussian([0, 1], (3, 16, 16), "missing")
    x0 = Around(EDM(network, SD), Flat())(0.3 + missing, SIGMA, COND)
    total = (SIGMA**2 + SD**2).view(-1, 1, 1, 1)
    assert torch.allclose(x0, 0.3 + missing * SD**2 / total, atol=1e-6)
    assert torch.allclose(network.x, missing / total.sqrt(), atol=1e-6)
    assert network.cond.hint is not None and network.cond.hint.tolist() == [[7.0], [7.0]]
    assert network.cond.prompt is COND.prompt  # what a network keeps of a prompt it finds again


def test_sampling_starts_from_noise_around_the_prediction() -> None:
    noise = gaussian([0, 1], (3, 4, 4))
    start = Around(EDM(Zero(), SD), Flat()).initial(noise, 3.0, COND)
    assert torch.allclose(start, 0.3 + 3 * noise)


def test_the_prediction_is_computed_once_for_each_input_and_size() -> None:
    prior = Flat()
    around = Around(EDM(Zero(), SD), prior)
    cond, other = replace(COND), replace(COND)
    x = gaussian([0, 1], (3, 8, 8))
    around.initial(x, 1.0, cond)
    for sigma in (SIGMA, SIGMA / 2):
        around(x, sigma, cond)
    assert prior.sizes == [(8, 8)]
    around(x, SIGMA, other)
    around(x[..., :4], SIGMA, cond)
    assert prior.sizes == [(8, 8), (8, 8), (8, 4)]
    with torch.autocast("cpu", torch.bfloat16):  # another rounding is another prediction
        around(x, SIGMA, cond)
    assert len(prior.sizes) == 4


def test_the_prior_stays_as_it_is() -> None:
    around = Around(EDM(nn.Identity(), SD), Flat())
    assert [n for n, p in around.named_parameters() if p.requires_grad] == []
    config = PRESETS["tiny"]["sr256"]
    denoiser = build_denoiser(config, SD)
    assert isinstance(denoiser, Around)
    awake(denoiser)
    denoiser(torch.zeros(2, 3, 16, 16), SIGMA, input_of(config)).square().mean().backward()
    gradients = {n for n, p in denoiser.named_parameters() if p.grad is not None}
    assert gradients and not any(name.startswith("prior.") for name in gradients)


@pytest.mark.parametrize("prior", [None, PRESETS["tiny"]["sr256"].prior])
def test_an_upscaler_starts_as_its_enlarged_picture(prior: object) -> None:
    config = PRESETS["tiny"]["sr256"].model_copy(update={"prior": prior})
    denoiser, cond = build_denoiser(config, 0.1), input_of(config, side=32)
    with torch.no_grad():
        x0 = denoiser(gaussian([0, 1], (3, 32, 32)), torch.full((2,), 50.0), cond)
        around = denoiser.initial(torch.zeros(2, 3, 32, 32), 1.0, cond)
    torch.testing.assert_close(x0, around, atol=2e-3, rtol=0)
    assert cond.low_res is not None  # its colours are mixtures of the small picture's
    torch.testing.assert_close(around.mean((2, 3)), cond.low_res.mean((2, 3)), atol=0.1, rtol=0)
