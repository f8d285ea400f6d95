"""Samplers against exact solutions: Gaussian data and a mixture of two have exact denoisers."""

import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from ediffi.core.types import Prompt, StageInput
from ediffi.diffusion import (
    SAMPLERS,
    Sampler,
    drive,
    gaussian,
    karras_schedule,
    num_evaluations,
)

COND = StageInput(Prompt({}, {"t5": torch.ones(1, dtype=torch.bool)}))
MEAN, STD = 0.3, 0.5


def gaussian_denoiser(x: Tensor, sigma: Tensor, cond: StageInput) -> Tensor:
    """The posterior mean of data N(MEAN, STD^2)."""
    variance = sigma.double().square().view(-1, 1, 1, 1)
    return (MEAN * variance + x * STD**2) / (variance + STD**2)


def error_at_end(name: str, num_steps: int) -> float:
    """Largest error of x at the last sigma, so that the last step to 0 does not blur the order."""
    sigma_max, sigma_min = 20.0, 0.05
    x = sigma_max * gaussian([0], (3, 4, 4)).double()
    shrink = math.sqrt((STD**2 + sigma_min**2) / (STD**2 + sigma_max**2))
    exact = MEAN + (x - MEAN) * shrink
    seen: list[tuple[float, Tensor]] = []

    def spy(x: Tensor, sigma: Tensor, cond: StageInput) -> Tensor:
        seen.append((float(sigma[0]), x))
        return gaussian_denoiser(x, sigma, cond)

    for _ in drive(SAMPLERS[name](x, karras_schedule(num_steps, sigma_min, sigma_max)), spy, COND):
        pass
    sigma, last = seen[-1]
    assert sigma == pytest.approx(sigma_min)
    return float((last - exact).abs().max())


@pytest.mark.parametrize("name", SAMPLERS)
def test_order_of_convergence_is_two(name: str) -> None:
    steps = [40, 80, 160, 320]
    errors = [error_at_end(name, n) for n in steps]
    slope = math.log(errors[0] / errors[-1]) / math.log(steps[-1] / steps[0])
    assert 1.85 < slope < 2.3, (slope, errors)
    assert errors[-1] < 1e-4


def euler(x: Tensor, sigmas: list[float]) -> Sampler:
    """A first-order sampler, to show that the measurement can tell."""
    for sigma, sigma_next in pairwise(sigmas):
        x0 = yield x, sigma
        x = x0 + (x - x0) * (sigma_next / sigma)
    return (yield x, sigmas[-1])


def test_the_measurement_tells_first_order_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SAMPLERS, "euler", euler)
    errors = [error_at_end("euler", n) for n in (80, 320)]
    assert 0.8 < math.log(errors[0] / errors[1]) / math.log(4) < 1.2


@pytest.mark.parametrize("name", SAMPLERS)
def test_mixture_of_two_gaussians_is_sampled_right(name: str) -> None:
    means, stds, weights = torch.tensor([[-0.7, 0.5], [0.1, 0.05], [0.3, 0.7]])

    def mixture_denoiser(x: Tensor, sigma: Tensor, cond: StageInput) -> Tensor:
        variance = sigma.square().view(-1, 1, 1, 1, 1) + stds**2
        x = x[..., None]
        logits = weights.log() - variance.log() / 2 - (x - means) ** 2 / variance / 2
        posterior = (means * (variance - stds**2) + x * stds**2) / variance
        return (logits.softmax(-1) * posterior).sum(-1)

    x = 80.0 * gaussian(range(64), (3, 16, 16))
    *_, x0 = drive(SAMPLERS[name](x, karras_schedule(48, 0.002, 80.0)), mixture_denoiser, COND)
    left = x0 < -0.2
    assert float(left.float().mean()) == pytest.approx(0.3, abs=0.01)
    assert float(x0[left].mean()) == pytest.approx(-0.7, abs=0.01)
    assert float(x0[~left].mean()) == pytest.approx(0.5, abs=0.01)
    assert float(x0[left].std()) == pytest.approx(0.1, rel=0.1)
    assert float(x0[~left].std()) == pytest.approx(0.05, rel=0.1)


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("num_steps", [1, 2, 7])
def test_number_of_evaluations_and_last_x0(name: str, num_steps: int) -> None:
    x = 80.0 * gaussian([1, 2], (3, 4, 4))
    sampler = SAMPLERS[name](x, karras_schedule(num_steps, 0.002, 80.0))
    generator = drive(sampler, gaussian_denoiser, COND)
    yielded = []
    while True:
        try:
            yielded.append(next(generator))
        except StopIteration as done:
            final = done.value
            break
    assert len(yielded) == num_evaluations(name, num_steps)
    assert final is yielded[-1]


def test_a_tensor_of_sigmas_reaches_the_denoiser_one_per_sample() -> None:
    shapes: list[tuple[int, ...]] = []

    def spy(x: Tensor, sigma: Tensor, cond: StageInput) -> Tensor:
        shapes.append((*sigma.shape, len(x)))
        return x

    list(drive(SAMPLERS["heun"](gaussian(range(5), (3, 4, 4)), [2.0, 1.0]), spy, COND))
    assert shapes == [(5, 5)] * 3
