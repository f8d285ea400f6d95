"""Samplers of the probability-flow ODE dx/dsigma = (x - x0) / sigma.

A sampler is a generator that asks for denoisings, `x0 = yield x, sigma`, and returns the final
x0. It never calls a network, so guidance, experts, previews and cancelling live outside it, and
a server can drive many at once. Sigmas fall strictly; the last step goes to sigma = 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from ediffi.core.types import Denoiser, StageInput

Sampler = Generator[tuple[Tensor, float], Tensor, Tensor]


def heun(x: Tensor, sigmas: Sequence[float]) -> Sampler:
    """Heun's second-order method, Karras et al. 2022, algorithm 1. x has noise level sigmas[0].

    Two evaluations a step; the last, Euler's step to 0, needs one and lands on x0.
    """
    for sigma, sigma_next in pairwise(sigmas):
        x0 = yield x, sigma
        slope = (x - x0) / sigma
        proposal = x + (sigma_next - sigma) * slope
        x0 = yield proposal, sigma_next
        slope_next = (proposal - x0) / sigma_next
        x = x + (sigma_next - sigma) * (slope + slope_next) / 2
    return (yield x, sigmas[-1])


def dpmpp_2m(x: Tensor, sigmas: Sequence[float]) -> Sampler:
    """DPM-Solver++(2M), Lu et al. 2022, algorithm 2, in lambda = -ln(sigma), alpha = 1.

    One evaluation a step: the previous x0 gives the second order. x has noise level sigmas[0].
    The history is kept across experts, for they all estimate the same x0.
    """
    previous, h_previous = None, math.nan
    for sigma, sigma_next in pairwise(sigmas):
        x0 = yield x, sigma
        h = math.log(sigma / sigma_next)
        guess = x0 if previous is None else x0 + (x0 - previous) * (h / h_previous / 2)
        x = (sigma_next / sigma) * x - math.expm1(-h) * guess
        previous, h_previous = x0, h
    return (yield x, sigmas[-1])


SAMPLERS: dict[str, Callable[[Tensor, Sequence[float]], Sampler]] = {
    "heun": heun,
    "dpmpp_2m": dpmpp_2m,
}


def num_evaluations(name: str, num_steps: int) -> int:
    """How often sampler `name` asks for a denoising on a schedule of num_steps sigmas."""
    return 2 * num_steps - 1 if name == "heun" else num_steps


def drive(sampler: Sampler, denoise: Denoiser, cond: StageInput) -> Generator[Tensor, None, Tensor]:
    """Answer a sampler with a denoiser. Yields x0 at every evaluation, returns the final x0.

    Stop early by not asking for the next one. Without interest in previews:

        *_, x0 = drive(heun(x, sigmas), denoise, cond)
    """
    try:
        x, sigma = next(sampler)
        while True:
            x0 = denoise(x, torch.full((len(x),), sigma, device=x.device), cond)
            yield x0
            x, sigma = sampler.send(x0)
    except StopIteration as done:
        final: Tensor = done.value
        return final


def result_of(steps: Generator[Any, None, Tensor]) -> Tensor:
    """What a generator of steps returns at its end, the steps unseen."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            final: Tensor = done.value
            return final
