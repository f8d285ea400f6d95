"""Guidance and thresholding: closed forms, and off is bit-exactly off."""

import math

import pytest
import torch
from torch import Tensor

from ediffi.core.types import Prompt, StageInput, Tokens
from ediffi.diffusion import Guided, Referenced, Thresholded, gaussian

BATCH = 4


class Toy:
    """x0 = 0.5 x + sigma + (0.1 where the text is kept) + low_res; counts what it is asked."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.conds: list[StageInput] = []

    def __call__(self, x: Tensor, sigma: Tensor, cond: StageInput) -> Tensor:
        assert len(x) == len(sigma) == len(cond.prompt)
        self.batches.append(len(x))
        self.conds.append(cond)
        text = 0.1 * cond.prompt.keep["t5"].float() * cond.prompt.tokens["t5"].pooled[:, 0]
        x0 = 0.5 * x + (sigma + text).view(-1, 1, 1, 1)
        return x0 if cond.low_res is None else x0 + cond.low_res


def make_cond(*, low_res: bool = False) -> StageInput:
    pooled = torch.arange(1.0, BATCH + 1)[:, None]
    tokens = Tokens(torch.ones(BATCH, 5, 2), torch.ones(BATCH, 5, dtype=torch.bool), pooled)
    prompt = Prompt({"t5": tokens}, {"t5": torch.ones(BATCH, dtype=torch.bool)})
    if not low_res:
        return StageInput(prompt)
    return StageInput(prompt, gaussian(range(BATCH), (3, 8, 8), "low"), torch.rand(BATCH))


X = gaussian(range(BATCH), (3, 8, 8))
SIGMA = torch.tensor([0.1, 1.0, 5.0, 50.0])


@pytest.mark.parametrize("low_res", [False, True])
def test_off_is_bit_exactly_off(low_res: bool) -> None:
    cond, toy = make_cond(low_res=low_res), Toy()
    plain = toy(X, SIGMA, cond)
    for guided in (
        Guided(toy, 1.0),
        Guided(toy, torch.ones(BATCH)),
        Guided(toy, 7.0, interval=(60.0, 70.0)),
        Guided(toy, 7.0, interval=(0.2, 0.9)),
    ):
        assert torch.equal(guided(X, SIGMA, cond), plain)
    assert toy.batches == [BATCH] * 5
    assert torch.equal(
        Thresholded(toy, percentile=None, cap=1.5)(10 * X, SIGMA, cond), toy(10 * X, SIGMA, cond)
    )


def test_guidance_is_linear_in_the_scale_and_per_sample() -> None:
    cond, toy = make_cond(low_res=True), Toy()
    scale = torch.tensor([0.0, 1.0, 3.0, -1.0])
    out = Guided(toy, scale)(X, SIGMA, cond)
    text, null = (
        toy(X, SIGMA, cond),
        toy(X, SIGMA, cond.dropped()),
    )
    expected = null + scale.view(-1, 1, 1, 1) * (text - null)
    assert torch.allclose(out, expected, atol=1e-6)
    assert torch.equal(out[1], text[1])
    assert toy.batches[0] == BATCH + 3


def test_at_scale_0_the_null_alone_is_evaluated() -> None:
    cond, toy = make_cond(low_res=True), Toy()
    guided = Guided(toy, 0.0)
    assert torch.equal(guided(X, SIGMA, cond), toy(X, SIGMA, cond.dropped()))
    guided(X, SIGMA, cond)
    assert toy.batches == [BATCH] * 3
    assert toy.conds[0] is toy.conds[2]  # what a network keeps on it stays


def test_only_samples_inside_the_interval_are_evaluated_twice() -> None:
    cond, toy = make_cond(), Toy()
    plain = toy(X, SIGMA, cond)
    out = Guided(toy, 3.0, interval=(0.1, 5.0))(X, SIGMA, cond)  # (low, high]: 1.0 and 5.0
    assert toy.batches == [BATCH, BATCH + 2]
    assert torch.equal(out[[0, 3]], plain[[0, 3]])
    assert not torch.equal(out[1], plain[1])
    assert float((out - plain)[1].mean()) == pytest.approx(2 * 0.1 * 2, abs=1e-5)


def test_the_doubled_input_is_built_once_so_that_networks_read_it_once() -> None:
    cond, toy = make_cond(low_res=True), Toy()
    guided = Guided(toy, 3.0, interval=(0.5, math.inf))
    for _ in range(3):
        guided(X, SIGMA, cond)
    assert toy.conds[0] is toy.conds[1] is toy.conds[2]
    guided(X, SIGMA.flip(0), cond)
    assert toy.conds[3] is not toy.conds[0]
    doubled = toy.conds[0]
    assert doubled.low_res is not None and cond.low_res is not None
    assert torch.equal(doubled.low_res, torch.cat([cond.low_res, cond.low_res[1:]]))
    assert doubled.prompt.keep["t5"].tolist() == [True] * 4 + [False] * 3


def test_the_pull_of_a_reference_is_linear_in_its_strength_and_needs_one() -> None:
    def toy(x: Tensor, sigma: Tensor, cond: StageInput) -> Tensor:
        calls.append(len(x))
        keep = cond.prompt.keep
        return x + (1.0 * keep["t5"] + 10.0 * keep["clip_image"]).view(-1, 1, 1, 1)

    calls: list[int] = []
    tokens = Tokens(torch.ones(3, 1, 2), torch.ones(3, 1, dtype=torch.bool), torch.ones(3, 2))
    keep = {"t5": torch.tensor([True] * 3), "clip_image": torch.tensor([True, False, True])}
    cond = StageInput(Prompt({"t5": tokens, "clip_image": tokens}, keep))
    x, sigma = torch.zeros(3, 3, 4, 4), torch.ones(3)
    # inside guidance: null + w (plain + s (styled - plain) - null), and the null has no style
    out = Guided(Referenced(toy, 0.3), 2.0)(x, sigma, cond)[:, 0, 0, 0]
    assert out.tolist() == pytest.approx([2 * (1 + 3), 2 * 1, 2 * (1 + 3)])
    assert calls == [3 + 3 + 2]
    assert torch.equal(Referenced(toy, 1.0)(x, sigma, cond), toy(x, sigma, cond))


def test_thresholding_closed_form_per_sample() -> None:
    ramp = torch.linspace(-4, 4, 3 * 8 * 8).view(1, 3, 8, 8)
    x0 = torch.cat([ramp, 0.2 * ramp])

    def fixed(x: Tensor, sigma: Tensor, cond: StageInput) -> Tensor:
        return x0

    cond = StageInput(Prompt({}, {"t5": torch.ones(2, dtype=torch.bool)}))
    out = Thresholded(fixed, percentile=0.5, cap=9.0)(x0, torch.ones(2), cond)
    s = float(ramp.abs().flatten().sort().values[95])  # the 96th of 192
    assert s == pytest.approx(2.0, abs=0.03)
    assert torch.allclose(out[0], (ramp[0] / s).clamp(-1, 1))
    assert torch.equal(out[1], x0[1])  # already inside [-1, 1]: s = 1
    capped = Thresholded(fixed, percentile=0.5, cap=1.0)(x0, torch.ones(2), cond)
    assert torch.equal(capped, x0.clamp(-1, 1))
    with pytest.raises(ValueError, match="percentile"):
        Thresholded(fixed, percentile=99.5, cap=1.5)
