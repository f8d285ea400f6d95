"""Denoisers from shapes, on any device; and weights of version 0.1 by their names of today."""

from __future__ import annotations

import pytest
import torch
from helpers.networks import SKETCHED, awake, input_of, run
from torch import Tensor, nn

from ediffi.diffusion import EDM, Around
from ediffi.networks import PRESETS, STAGES, UNetConfig, build_denoiser, build_prior, named_as_now

EVERY = [(preset, stage) for preset in PRESETS for stage in STAGES]


@pytest.mark.parametrize(("preset", "stage"), EVERY)
def test_every_stage_denoises_on_the_meta_device(preset: str, stage: str) -> None:
    """Nothing in it names a device, and no more memory is taken than for the shapes."""
    config = PRESETS[preset][stage]
    with torch.device("meta"):
        denoiser = build_denoiser(config, 0.5)
    cond = input_of(config, side=64).to("meta")
    x, sigma = torch.zeros(2, 3, 64, 64, device="meta"), torch.ones(2, device="meta")
    for out in (denoiser(x, sigma, cond), denoiser.initial(x, 80.0, cond)):
        assert out.device.type == "meta" and out.shape == x.shape and out.dtype == torch.float32


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("config", [*PRESETS["tiny"].values(), SKETCHED])
def test_every_stage_denoises_on_cuda_as_on_the_cpu(config: UNetConfig) -> None:
    denoiser, cond = awake(build_denoiser(config, 0.5)), input_of(config, side=16)
    expected = run(denoiser, cond)
    x = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    sigma = torch.linspace(-4, 4, 2).exp()
    denoiser.to("cuda")
    with torch.no_grad():
        out = denoiser(x.cuda(), sigma.cuda(), cond.to("cuda")).cpu()
    torch.testing.assert_close(out, expected, atol=2e-2, rtol=0)  # TF32 in convolutions


@pytest.mark.parametrize("stage", STAGES)
def test_what_a_stage_works_around(stage: str) -> None:
    denoiser = build_denoiser(PRESETS["tiny"][stage], 0.5)
    assert isinstance(denoiser, EDM if stage == "base" else Around)
    bicubic = PRESETS["tiny"]["sr256"].model_copy(update={"prior": None})
    assert not list(build_prior(bicubic).parameters())


def as_in_version_0_1(weights: dict[str, Tensor], config: UNetConfig) -> dict[str, Tensor]:
    """A denoiser's weights under the names that version 0.1 gave them: one network of all parts."""
    enlarger = config.scale > 1
    old = {}
    for name, tensor in weights.items():
        name = name.removeprefix("denoise.").removeprefix("network.")
        if name.startswith("hint."):
            name = name.replace("hint", "enlarger.to_entrance")
        if name.startswith("prior."):
            name = name.removeprefix("prior.")
            if name.startswith("augmentation." if enlarger else "conditioner."):
                continue  # both parts read with the same one
            if enlarger:
                name = f"enlarger.{name}"
        old[name] = tensor
    return old


@pytest.mark.parametrize("config", [*PRESETS["tiny"].values(), SKETCHED])
def test_weights_of_version_0_1_are_read_and_those_of_today_stay(config: UNetConfig) -> None:
    denoiser = awake(build_denoiser(config, 0.5))
    if isinstance(denoiser, Around):  # as then
        shared = "augmentation" if config.scale > 1 else "conditioner"
        edm = denoiser.denoise
        assert isinstance(edm, EDM)
        getattr(denoiser.prior, shared).load_state_dict(getattr(edm.network, shared).state_dict())
    now = denoiser.state_dict()
    assert same(named_as_now(as_in_version_0_1(now, config), config), now)
    assert same(named_as_now(now, config), now)


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_shapes_of_version_0_1_are_read() -> None:
    base = PRESETS["tiny"]["base"].model_dump(exclude={"prior"})
    old = base | {"sketch_depth": 1, "drawing": (8, 16), "overlaps": True, "retouch": (8, 1)}
    assert UNetConfig.model_validate(old) == SKETCHED
    assert UNetConfig.model_validate(base | {"sketch_depth": 0}) == PRESETS["tiny"]["base"]
    upscaler = PRESETS["tiny"]["sr256"]
    old = upscaler.model_dump(exclude={"prior"}) | {"sketch_depth": 1}
    assert UNetConfig.model_validate(old) == upscaler


def test_networks_do_not_know_of_preconditioning() -> None:
    for stage in STAGES:
        names = {type(m).__name__ for m in denoiser_parts(PRESETS["tiny"][stage])}
        assert "EDM" not in names and "Around" not in names


def denoiser_parts(config: UNetConfig) -> list[nn.Module]:
    denoiser = build_denoiser(config, 0.5)
    edm = denoiser.denoise if isinstance(denoiser, Around) else denoiser
    assert isinstance(edm, EDM)
    return list(edm.network.modules())
