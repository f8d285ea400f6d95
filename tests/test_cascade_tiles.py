"""Tiles equal the whole, and never evaluate more than a bounded window."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from ediffi.cascade import Cascade, Stage
from ediffi.cascade.tiles import Tiled
from ediffi.conditioning import make_prompt
from ediffi.types import Regions, StageInput

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
    network = stage.denoiser.network
    return network.halo, network.config.stride  # type: ignore[return-value, union-attr]


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


def test_painted_masks_are_cropped_with_the_picture(cond: StageInput) -> None:
    masks = torch.zeros(2, 1, 8, 8)
    masks[:, :, :4] = 1  # the upper half
    length = cond.prompt.tokens["t5"].mask.shape[1]
    columns = {"t5": torch.ones(2, 1, length, dtype=torch.bool)}
    painted = Regions(masks, columns, torch.ones(2, 1))
    prompt = type(cond.prompt)(cond.prompt.tokens, cond.prompt.keep, painted)
    seen = []

    def denoise(x: Tensor, sigma: Tensor, part: StageInput) -> Tensor:
        assert part.prompt.regions is not None
        seen.append(float(part.prompt.regions.masks.mean()))
        return x

    x = torch.zeros(2, 3, SIDE, SIDE)
    Tiled(denoise, tile=128, halo=0, stride=8)(
        x, torch.ones(2), StageInput(prompt, cond.low_res, cond.augmentation)
    )
    assert seen[0] == seen[1] and seen[2] == seen[3]
    assert seen[0] > 0.9 and seen[2] < 0.1


def test_tile_must_fit_the_stride(stage: Stage) -> None:
    with pytest.raises(ValueError, match="multiples of 8"):
        Tiled(stage.denoiser, tile=60, halo=64, stride=8)
