"""Tiles equal the whole, and never evaluate more than a bounded window."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from ediffi.core.types import RegionForm, Regions, StageInput
from ediffi.encoders import make_prompt
from ediffi.model import Cascade, Stage
from ediffi.model.tiles import Tiled

SIDE = 256


@pytest.fixture(scope="module")
def stage(model_folder: Path) -> Stage:
    return Cascade.from_pretrained(model_folder).stage("sr1024")


@pytest.fixture(scope="module")
def cond(model_folder: Path, stage: Stage) -> StageInput:
    prompt = make_prompt(Cascade.from_pretrained(model_folder).encoders, ["a red fox", "a cat"])
    low_res = torch.rand(2, 3, SIDE // 4, SIDE // 4, generator=torch.manual_seed(2)) * 2 - 1
    return StageInput(prompt, low_res, torch.full((2,), 0.1))


def parts(stage: Stage) -> tuple[int, int]:
    return stage.config.network.halo, stage.config.network.stride


@torch.no_grad()
@pytest.mark.parametrize("tile", [64, 96])
def test_tiles_equal_the_whole(stage: Stage, cond: StageInput, tile: int) -> None:
    halo, stride = parts(stage)
    sizes: list[int] = []

    def watched(x: Tensor, sigma: Tensor, part: StageInput) -> Tensor:
        sizes.append(max(x.shape[2:]))
        return stage.denoiser(x, sigma, part)

    x = torch.randn(2, 3, SIDE, SIDE, generator=torch.manual_seed(3))
    sigma = torch.tensor([0.3, 0.1])
    whole = stage.denoiser(x, sigma, cond)
    tiled = Tiled(watched, tile=tile, halo=halo, stride=stride)(x, sigma, cond)
    torch.testing.assert_close(tiled, whole, atol=1e-4, rtol=0)
    assert len(sizes) > 4 and max(sizes) <= tile + 2 * halo
    narrow = Tiled(watched, tile=tile, halo=stride, stride=stride)(x, sigma, cond)
    assert (narrow - whole).abs().max() > 1e-3  # the halo is needed: the test can fail


@torch.no_grad()
def test_wide_pictures(stage: Stage, cond: StageInput) -> None:
    halo, stride = parts(stage)
    x = torch.randn(2, 3, 64, SIDE, generator=torch.manual_seed(4))
    wide = StageInput(cond.prompt, cond.low_res[:, :, :16], cond.augmentation)  # type: ignore[index]
    sigma = torch.tensor([0.3, 0.1])
    tiled = Tiled(stage.denoiser, tile=64, halo=halo, stride=stride)(x, sigma, wide)
    torch.testing.assert_close(tiled, stage.denoiser(x, sigma, wide), atol=1e-4, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("form", [RegionForm(), RegionForm("std", "sigma-squared")])
def test_tiles_equal_the_whole_with_regions(
    stage: Stage, cond: StageInput, form: RegionForm
) -> None:
    halo, stride = parts(stage)
    masks = torch.zeros(2, 2, 100, 100)  # no multiple of any grid
    masks[:, 0, 10:37, 20:81] = 1
    masks[:, 1, 50:, :33] = 0.7
    columns = torch.zeros(2, 2, cond.prompt.tokens["t5"].mask.shape[1], dtype=torch.bool)
    columns[:, 0, 1] = columns[:, 1, 2] = True
    regions = Regions(
        masks, {"t5": columns}, torch.full((2, 2), 1e4), form
    )  # random scores are tiny
    painted = replace(cond, prompt=replace(cond.prompt, regions=regions))
    x = torch.randn(2, 3, SIDE, SIDE, generator=torch.manual_seed(3))
    sigma = torch.tensor([0.9, 0.5])
    whole = stage.denoiser(x, sigma, painted)
    tiled = Tiled(stage.denoiser, tile=64, halo=halo, stride=stride)
    torch.testing.assert_close(tiled(x, sigma, painted), whole, atol=1e-4, rtol=0)
    torch.testing.assert_close(tiled(x, sigma, painted), whole, atol=1e-4, rtol=0)  # again
    assert (whole - stage.denoiser(x, sigma, cond)).abs().max() > 5e-4  # regions act


def test_a_tile_is_cut_once(stage: Stage, cond: StageInput) -> None:
    parts: list[StageInput] = []

    def denoise(x: Tensor, sigma: Tensor, part: StageInput) -> Tensor:
        parts.append(part)
        return x

    fresh = replace(cond)
    tiled = Tiled(denoise, tile=128, halo=0, stride=8)
    for _ in range(2):
        tiled(torch.zeros(2, 3, SIDE, SIDE), torch.ones(2), fresh)
    assert len(parts) == 8 and all(a is b for a, b in zip(parts[:4], parts[4:], strict=True))


def test_tile_must_fit_the_stride(stage: Stage) -> None:
    with pytest.raises(ValueError, match="multiples of 8"):
        Tiled(stage.denoiser, tile=60, halo=64, stride=8)
