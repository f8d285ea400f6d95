"""A model's configuration is refused where it does not fit together."""

from __future__ import annotations

from pathlib import Path

import pytest

from ediffi.model import ModelConfig, ModelFolder, Sampling


def test_a_cascade_must_fit_together(model_folder: Path) -> None:
    stages = ModelFolder(model_folder).config.stages
    with pytest.raises(ValueError, match="sr1024 reads 64 px, but base draws 16 px"):
        ModelConfig(name="x", stages=(stages[0], stages[2]), encoders={})


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"sampler": "euler"}, "unknown sampler"),
        ({"sigma_min": 2.0}, "sigma_min 2.0 is above sigma_max 1.0"),
        ({"sigma_min": 1.0}, "too near for 4 steps"),
        ({"sigma_min": 1 - 1e-16}, "too near for 4 steps"),
        ({"sigma_max": float("inf")}, "finite"),
        ({"sigma_min": float("nan")}, "finite"),
        ({"num_steps": 10**30}, "less than or equal to 1000"),
        ({"rho": 1e-9}, "greater than or equal to 1"),
    ],
)
def test_a_schedule_falls(changes: dict[str, object], complaint: str) -> None:
    fields = {"num_steps": 4, "sigma_min": 0.1, "sigma_max": 1.0} | changes
    with pytest.raises(ValueError, match=complaint):
        Sampling.model_validate(fields)
    assert Sampling(num_steps=1, sigma_min=1.0, sigma_max=1.0).num_steps == 1
