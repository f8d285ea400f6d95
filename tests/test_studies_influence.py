"""The study of influence: its score on cases whose answer is known, and a tiny run."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ediffi.pictogram.grid import Grid
from studies.influence import Settings, dtrak, lds, study


def test_lds_is_one_for_the_true_influence() -> None:
    chance = np.random.default_rng(0)
    truth = chance.normal(size=(3, 20))
    members = [chance.permutation(20)[:10].tolist() for _ in range(12)]
    outcomes = np.stack([truth[:, subset].sum(1) for subset in members])
    assert lds(truth, members, outcomes) == pytest.approx(np.ones(3))
    assert lds(-truth, members, outcomes) == pytest.approx(-np.ones(3))
    assert abs(lds(chance.normal(size=(3, 20)), members, outcomes).mean()) < 0.6


def test_dtrak_is_the_kernels_formula() -> None:
    torch.manual_seed(0)
    queries, trained = torch.randn(2, 5), torch.randn(9, 5)
    kernel = trained.T @ trained
    kernel = kernel + 0.1 * kernel.diagonal().mean() * torch.eye(5)
    expected = queries @ torch.linalg.inv(kernel) @ trained.T
    assert torch.from_numpy(dtrak(queries, trained, 0.1)) == pytest.approx(expected, abs=1e-4)


def test_a_run(grid: Grid, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studies.influence.STYLE", "noto")
    settings = Settings(
        num_pictures=6,
        num_queries=1,
        num_subsets=4,
        num_steps=1,
        batch=2,
        num_draws=2,
        projection=8,
    )
    told: list[str] = []
    record = study(grid, settings, lambda what, more, total: told.append(what))
    assert set(record["lds"]) == {"dtrak", "nearness", "chance"}
    assert all(-1 <= found["value"] <= 1 for found in record["lds"].values())
    assert record["lds"]["dtrak"]["queries"] == 1 and told.count("models on a half") == 4
