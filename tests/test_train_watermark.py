"""A tiny training of the mark's networks goes on exactly where it stopped."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ediffi.train.loop import train
from ediffi.train.watermark import (
    SHOWN,
    WatermarkBatches,
    WatermarkConfig,
    save_watermark,
    watermark_state,
)
from ediffi.trust.watermark.mark import Watermark


def pixels(n: int) -> np.ndarray:
    rng = np.random.default_rng(n)
    return rng.integers(0, 256, (8, 8, 3), np.uint8).repeat(SHOWN // 8, 0).repeat(SHOWN // 8, 1)


def config(num_images: int) -> WatermarkConfig:
    return WatermarkConfig().changed(
        {
            "schedule.num_images": num_images,
            "schedule.batch_size": 2,
            "schedule.cooldown": 0.0,
            "num_pictures": 2,
            "width": 8,
            "fall": (2, 4),
        }
    )


def run(folder: Path, num_images: int) -> dict[str, torch.Tensor]:
    made = config(num_images)
    state = watermark_state(made)
    batches = WatermarkBatches(made, pixels)
    for _ in train(state, folder, batches, report=lambda line: None):
        pass
    save_watermark(state, folder / "w.safetensors")
    return state.model.state_dict()


def test_it_resumes_exactly(tmp_path: Path) -> None:
    run(tmp_path / "parts", 4)
    parts, whole = run(tmp_path / "parts", 6), run(tmp_path / "whole", 6)
    assert all(torch.equal(parts[name], whole[name]) for name in whole)
    loaded = Watermark.load(tmp_path / "whole" / "w.safetensors")
    assert loaded.strength == pytest.approx(0.35)


def test_the_mark_grows_weaker(tmp_path: Path) -> None:
    made = config(100)
    assert [made.strength_at(n) for n in (0, 2, 3, 4, 50)] == pytest.approx(
        [1, 1, 0.675, 0.35, 0.35]
    )
