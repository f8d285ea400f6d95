"""Noise levels against the table of eDiff-I's intervals and closed forms."""

import math

import pytest
import torch

from ediffi.diffusion import NoiseDistribution, karras_schedule, stratified_uniforms

PAPER = NoiseDistribution(mean=-1.2, std=1.2)


def test_icdf_and_cdf_invert_each_other() -> None:
    u = torch.linspace(1e-6, 1 - 1e-6, 1001, dtype=torch.float64)
    assert torch.allclose(PAPER.cdf(PAPER.icdf(u)), u, rtol=0, atol=1e-12)
    least, median, largest = PAPER.icdf(torch.tensor([0.0, 0.5, 1.0])).tolist()
    assert (least, largest) == (0.0, math.inf)
    assert median == pytest.approx(math.exp(-1.2), rel=1e-14)  # exp differs by machine in its end
    assert PAPER.cdf(torch.tensor([0.0, math.inf])).tolist() == [0.0, 1.0]


@pytest.mark.parametrize(
    ("level", "index", "low", "high"),
    [
        (1, 0, 0.0, 0.301),
        (1, 1, 0.301, math.inf),
        (2, 3, 0.677, math.inf),
        (3, 7, 1.198, math.inf),
        (4, 15, 1.898, math.inf),
        (9, 511, 9.61, math.inf),
        (2, 0, 0.0, 0.134),
        (3, 0, 0.0, 0.0757),
        (4, 0, 0.0, 0.0478),
    ],
)
def test_intervals_of_the_paper(level: int, index: int, low: float, high: float) -> None:
    assert PAPER.interval(level, index) == pytest.approx((low, high), rel=2e-3)


def test_intervals_tile_the_line_and_reject_nodes_outside_the_tree() -> None:
    edges = [PAPER.interval(3, index) for index in range(8)]
    assert [high for _, high in edges[:-1]] == [low for low, _ in edges[1:]]
    for level, index in [(3, 8), (3, -1), (-1, 0)]:
        with pytest.raises(ValueError, match="node"):
            PAPER.interval(level, index)


def test_truncated_sampling_stays_inside_its_interval() -> None:
    u = torch.tensor([2.0**-53, 0.3, 1 - 2.0**-53], dtype=torch.float64)
    sigma = PAPER.sample(u, 511 / 512, 1.0)
    low, _ = PAPER.interval(9, 511)
    assert bool((sigma >= low).all()) and bool(sigma.isfinite().all())
    assert float(PAPER.sample(torch.tensor([0.5]), 511 / 512)) == pytest.approx(12.4, abs=0.05)


@pytest.mark.parametrize("first", [0, 12_345, 10**12])
@pytest.mark.parametrize("batch", [16, 64, 1000])
def test_any_run_of_images_is_stratified(first: int, batch: int) -> None:
    u = stratified_uniforms(torch.arange(first, first + batch), seed=3)
    assert bool(((u > 0) & (u < 1)).all())
    ranks = (torch.arange(batch) + 0.5) / batch
    # The golden ratio's sequence has the least discrepancy: about log(B) / B, against the
    # 1 / sqrt(B) of independent draws.
    assert float((u.sort().values - ranks).abs().max()) < (1 + 0.7 * math.log(batch)) / batch
    empty = torch.histc(u, batch, 0, 1).eq(0).sum()
    assert int(empty) <= 0.3 * batch  # independent draws leave 37 % of the bins empty
    assert float(torch.histc(u, batch, 0, 1).max()) <= 3


def test_uniforms_depend_on_seed_and_index_alone() -> None:
    whole = stratified_uniforms(torch.arange(100), seed=1)
    parts = [stratified_uniforms(torch.arange(i, i + 10), seed=1) for i in range(0, 100, 10)]
    assert torch.equal(whole, torch.cat(parts))
    assert not torch.equal(whole, stratified_uniforms(torch.arange(100), seed=2))


def test_schedule_matches_karras_equation_5() -> None:
    schedule = karras_schedule(18, 0.002, 80.0)
    assert schedule[0] == 80.0 and schedule[-1] == 0.002 and len(schedule) == 18
    assert schedule[1] == pytest.approx(57.586, abs=1e-3)
    low, high = PAPER.interval(3, 0)[1], PAPER.interval(9, 511)[0]
    assert [sum(s >= high for s in schedule), sum(s < low for s in schedule)] == [6, 4]
    assert karras_schedule(1, 0.1, 80.0) == [80.0]
    with pytest.raises(ValueError, match="sigma_min=2"):
        karras_schedule(4, 2.0, 1.0)
