"""The U-Net: shapes, roles, regions, tiles, presets."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from helpers.networks import input_of, network, prompt, regions, run
from torch import Tensor

from ediffi.core.types import ROLES, Denoiser, Prompt, RegionForm, Regions, StageInput
from ediffi.diffusion import EDM, SAMPLERS, drive
from ediffi.networks import PRESETS, STAGES, UNet, UNetConfig
from ediffi.networks.attention import attend

UPSCALER = PRESETS["tiny"]["sr256"].model_copy(update={"prior": None})


@pytest.mark.parametrize("masked", [False, True])
def test_attend_is_scaled_dot_product_attention(masked: bool) -> None:
    q, k, v = (torch.randn(2, 3, n, 8) for n in (7, 5, 5))
    mask = torch.tensor([[True, True, False, True, False]])[:, None, None, :] if masked else None
    expected = torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    torch.testing.assert_close(attend(q, k, v, mask), expected, atol=1e-6, rtol=1e-5)


def test_fresh_network_is_zero() -> None:
    net = UNet(PRESETS["tiny"]["base"])
    assert torch.equal(run(net, StageInput(prompt())), torch.zeros(2, 3, 16, 16))


def test_padding_and_batch_mates_change_nothing() -> None:
    net, whole = network(), prompt(4)
    expected = run(net, StageInput(whole))
    other = prompt(4)
    for tokens in other.tokens.values():  # what stands in padding is not seen
        tokens.states[:, -2:] = 1e3
    torch.testing.assert_close(run(net, StageInput(other)), expected, atol=1e-5, rtol=0)
    x = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        alone = net(x[2:3], torch.linspace(-4, 4, 4).exp()[2:3], StageInput(whole).rows([2]))
    torch.testing.assert_close(alone[0], expected[2], atol=1e-4, rtol=0)


@pytest.mark.parametrize("role", ROLES)
def test_dropping_a_role_equals_not_having_it(role: str) -> None:
    net, whole = network(), prompt()
    with_role, dropped, missing = (
        run(net, StageInput(p))
        for p in (whole, whole.without(role), whole.only(set(ROLES) - {role}))
    )
    assert (with_role - dropped).abs().max() > 1e-4
    torch.testing.assert_close(dropped, missing, atol=1e-5, rtol=0)


def test_dropped_prompts_are_all_alike() -> None:
    net = network()
    one, two = prompt(), prompt()
    two.tokens["t5"].states.mul_(-1)
    a, b = (run(net, StageInput(p.dropped())) for p in (one, two))
    torch.testing.assert_close(a, b, atol=1e-6, rtol=0)


def test_a_prompt_is_read_once_without_gradients() -> None:
    net, cond = network(), StageInput(prompt())
    calls: list[int] = []
    net.conditioner.register_forward_hook(lambda *_: calls.append(1))
    first = run(net, cond)
    assert torch.equal(run(net, cond), first)
    assert torch.equal(run(net, replace(cond)), first)  # another input of the same prompt
    assert len(calls) == 1
    run(net, StageInput(prompt()))
    assert len(calls) == 2
    for _ in range(2):  # in training the weights change under it
        net(torch.zeros(2, 3, 16, 16), torch.ones(2), cond)
    assert len(calls) == 4


def test_regions_act_where_painted_and_are_off_at_weight_zero() -> None:
    net, plain = network(), prompt()
    expected = run(net, StageInput(plain))
    off = Prompt(plain.tokens, plain.keep, regions(0.0))
    torch.testing.assert_close(run(net, StageInput(off)), expected, atol=1e-6, rtol=0)
    painted = Prompt(plain.tokens, plain.keep, regions(3.0, form=RegionForm(placed=False)))
    change = (run(net, StageInput(painted)) - expected).abs().mean(dim=(0, 1, 2))
    assert change[:6].min() > change[-2:].max()  # columns of the picture, left against right


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_painting_goes_through_networks_that_take_turns_by_sigma(sampler: str) -> None:
    """As the experts of an ensemble do: each reads the one input with its own weights."""
    first, second = network(), network()
    for parameter in (*first.parameters(), *second.parameters()):
        torch.nn.init.normal_(parameter, std=0.3)
    high, low = EDM(first, 0.5), EDM(second, 0.5)

    def ensemble(x: Tensor, sigma: Tensor, cond: StageInput) -> Tensor:
        return (high if float(sigma[0]) > 1 else low)(x, sigma, cond)

    def sampled(denoise: Denoiser, painted: Regions | None) -> Tensor:
        said = replace(prompt(), regions=painted)
        x = 5 * torch.randn(2, 3, 16, 16, generator=torch.manual_seed(7))
        steps = drive(SAMPLERS[sampler](x, [5.0, 2.0, 0.5, 0.1]), denoise, StageInput(said))
        with torch.no_grad():
            *_, last = steps
        return last

    plain, off = sampled(ensemble, None), sampled(ensemble, regions(0.0))
    assert torch.equal(plain, off)
    form = RegionForm(placed=False)
    painted = sampled(ensemble, regions(20.0, form=form))
    assert (painted - plain).abs().max() > 1e-3

    def forgetful(x: Tensor, sigma: Tensor, cond: StageInput) -> Tensor:
        return ensemble(x, sigma, StageInput(cond.prompt))

    assert torch.equal(painted, sampled(forgetful, regions(20.0, form=form)))


def test_unpainted_pictures_do_not_notice_painted_batch_mates() -> None:
    """The unconditional half of guidance, and a prompt without regions beside one with some."""
    net, plain = network(), prompt()
    painted = Prompt(plain.tokens, plain.keep, regions(1e3))
    assert painted.regions is not None
    painted.regions.weight[0] = 0.0
    both, expected = run(net, StageInput(painted)), run(net, StageInput(plain))
    assert torch.equal(both[0], expected[0])
    assert (both[1] - expected[1]).abs().max() > 1e-3


@pytest.mark.parametrize("config", [PRESETS["tiny"]["base"], UPSCALER], ids=["base", "upscaler"])
def test_painted_pictures_do_not_depend_on_batch_mates(config: UNetConfig) -> None:
    net, plain = network(config), input_of(config, batch=4)
    cond = replace(plain, prompt=replace(plain.prompt, regions=regions(2.0, batch=4)))
    x = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    sigma = torch.tensor([0.1, 1.0, 3.0, 10.0])
    with torch.no_grad():
        expected = net(x, sigma, cond)[2]
        alone = net(x[2:3], sigma[2:3], cond.rows([2]))[0]
    torch.testing.assert_close(alone, expected, atol=1e-4, rtol=0)


def test_gradients_flow_through_painted_attention() -> None:
    net, plain = network(), prompt()
    painted = Prompt(plain.tokens, plain.keep, regions(1.0))
    net(torch.randn(2, 3, 16, 16), torch.ones(2), StageInput(painted)).square().mean().backward()
    grads = [p.grad for n, p in net.named_parameters() if "cross_attention.query" in n]
    assert grads and all(g is not None and g.isfinite().all() and g.any() for g in grads)


def test_regions_of_roles_that_are_not_there_are_skipped() -> None:
    net, plain = network(), prompt().only(["t5", "clip_image"])
    painted = regions(3.0, form=RegionForm(placed=False))
    more = dict.fromkeys(("clip_text", "nobody's"), torch.ones(2, 1, 6, dtype=torch.bool))
    both = replace(painted, columns=painted.columns | more)
    expected = run(net, StageInput(replace(plain, regions=painted)))
    assert torch.equal(run(net, StageInput(replace(plain, regions=both))), expected)
    assert not torch.equal(run(net, StageInput(plain)), expected)


def test_regions_of_a_dropped_role_weigh_nothing() -> None:
    net, plain = network(), prompt()
    plain.keep["t5"][0] = False  # in the first picture only
    painted = Prompt(plain.tokens, plain.keep, regions(100.0))
    assert painted.regions is not None
    painted.regions.columns["t5"][..., 0] = True  # where a dropped role shows its null token
    change = (run(net, StageInput(painted)) - run(net, StageInput(plain))).abs()
    assert 100 * change[0].max() < change[1].max()


def test_upscaler_tile_equals_the_whole() -> None:
    net, side = network(UPSCALER), 256
    halo, stride = net.config.halo, net.config.stride
    assert halo % stride == 0 and 2 * halo + stride < side
    torch.manual_seed(2)
    x, low = torch.randn(1, 3, side, side), torch.randn(1, 3, side // 4, side // 4)
    cond = StageInput(prompt(1), low, torch.tensor([0.1]))
    with torch.no_grad():
        whole = net(x, torch.ones(1), cond)
        part = slice(0, side - stride)
        tile = StageInput(cond.prompt, low[..., : (side - stride) // 4], cond.augmentation)
        cut = net(x[..., part], torch.ones(1), tile)
    kept = side - stride - halo
    torch.testing.assert_close(cut[..., :kept], whole[..., :kept], atol=1e-4, rtol=0)
    # and the halo is not far too large: one tile with a third of it must differ
    assert (cut[..., -stride:] - whole[..., side - 2 * stride : side - stride]).abs().max() > 1e-4


def test_sides_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="multiples of 4, got 18x18"):
        run(network(), StageInput(prompt()), side=18)


def test_other_aspect_ratio() -> None:
    net = network()
    with torch.no_grad():
        out = net(torch.randn(2, 3, 16, 24), torch.ones(2), StageInput(prompt()))
    assert out.shape == (2, 3, 16, 24)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("stage", STAGES)
def test_every_preset_can_be_built(preset: str, stage: str) -> None:
    with torch.device("meta"):
        net = UNet(PRESETS[preset][stage])
    millions = sum(p.numel() for p in net.parameters()) / 1e6
    low, high = {
        ("pictogram", "base"): (8, 40),
        ("pictogram", "sr256"): (1, 5),  # 10 MB, bf16
        ("pictogram", "sr1024"): (1, 5),
        ("paper", "base"): (600, 1100),  # 0.7 to 1.0 B by the sheet
        ("paper", "sr256"): (200, 700),
        ("paper", "sr1024"): (200, 700),
    }.get((preset, stage), (0, 0.2))
    assert low < millions < high
