"""The U-Net: shapes, roles, regions, tiles, presets."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import pytest
import torch
from torch import Tensor

from ediffi.core.types import (
    ROLES,
    Denoiser,
    Prompt,
    RegionForm,
    Regions,
    StageInput,
    Tokens,
    Window,
)
from ediffi.diffusion import EDM, SAMPLERS, drive, enlarge
from ediffi.networks import PRESETS, STAGES, UNet, build_denoiser
from ediffi.networks.attention import attend
from ediffi.networks.context import Conditioner, _resized, bounds


def prompt(batch: int = 2, length: int = 6, roles: dict[str, int] | None = None) -> Prompt:
    """Random tokens for every role; the last two tokens are padding."""
    torch.manual_seed(5)
    tokens = {}
    for role, width in (roles or dict.fromkeys(ROLES, 32)).items():
        mask = torch.ones(batch, length, dtype=torch.bool)
        mask[:, -2:] = False
        tokens[role] = Tokens(torch.randn(batch, length, width), mask, torch.randn(batch, width))
    return Prompt(tokens, {role: torch.ones(batch, dtype=torch.bool) for role in ROLES})


def network(stage: str = "base") -> UNet:
    """A tiny network whose output is not zero, as a fresh one's is."""
    torch.manual_seed(0)
    net = UNet(PRESETS["tiny"][stage]).eval()
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return net


def run(net: UNet, cond: StageInput, side: int = 16) -> Tensor:
    torch.manual_seed(1)
    batch = len(cond.prompt)
    with torch.no_grad():
        return net(torch.randn(batch, 3, side, side), torch.linspace(-1, 1, batch), cond)


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
    for tokens in whole.tokens.values():  # what stands in padding is not seen
        tokens.states[:, -2:] = 1e3
    torch.testing.assert_close(run(net, StageInput(whole)), expected, atol=1e-5, rtol=0)
    torch.manual_seed(1)
    x, c_noise = torch.randn(4, 3, 16, 16), torch.linspace(-1, 1, 4)
    with torch.no_grad():
        alone = net(x[2:3], c_noise[2:3], StageInput(whole.map(lambda t: t[2:3])))
    torch.testing.assert_close(alone[0], expected[2], atol=1e-4, rtol=0)


@pytest.mark.parametrize("role", ROLES)
def test_dropping_a_role_equals_not_having_it(role: str) -> None:
    net, whole = network(), prompt()
    with_role = run(net, StageInput(whole))
    whole.keep[role][:] = False
    dropped = run(net, StageInput(whole))
    del whole.tokens[role]
    missing = run(net, StageInput(whole))
    assert (with_role - dropped).abs().max() > 1e-4
    torch.testing.assert_close(dropped, missing, atol=1e-5, rtol=0)


def test_dropped_prompts_are_all_alike() -> None:
    net = network()
    one, two = prompt(), prompt()
    two.tokens["t5"].states.mul_(-1)
    a, b = (run(net, StageInput(p.dropped())) for p in (one, two))
    torch.testing.assert_close(a, b, atol=1e-6, rtol=0)


def test_prompt_is_projected_once_per_input() -> None:
    net, cond = network(), StageInput(prompt())
    calls: list[int] = []
    net.conditioner.register_forward_hook(lambda *_: calls.append(1))
    first = run(net, cond)
    assert torch.equal(run(net, cond), first)
    assert len(calls) == 1
    run(net, StageInput(prompt()))
    assert len(calls) == 2


def regions(weight: float, batch: int = 2, form: RegionForm | None = None) -> Regions:
    """The left half belongs to token 1 of t5."""
    masks = torch.zeros(batch, 1, 32, 32)
    masks[..., :16] = 1
    columns = torch.zeros(batch, 1, 6, dtype=torch.bool)
    columns[..., 1] = True
    weights = torch.full((batch, 1), weight)
    return Regions(masks, {"t5": columns}, weights, form or RegionForm())


def test_regions_act_where_painted_and_are_off_at_weight_zero() -> None:
    net, plain = network(), prompt()
    expected = run(net, StageInput(plain))
    off = Prompt(plain.tokens, plain.keep, regions(0.0))
    torch.testing.assert_close(run(net, StageInput(off)), expected, atol=1e-6, rtol=0)
    painted = Prompt(plain.tokens, plain.keep, regions(3.0, form=RegionForm(placed=False)))
    change = (run(net, StageInput(painted)) - expected).abs().mean(dim=(0, 1, 2))
    assert change[:6].min() > change[-2:].max()  # columns of the picture, left against right


FORMS = [RegionForm(), RegionForm("std", "sigma-squared")]


@pytest.mark.parametrize("per_query", [False, True])
@pytest.mark.parametrize("form", FORMS)
def test_region_bias_is_the_papers_formula(form: RegionForm, per_query: bool) -> None:
    conditioner = Conditioner({"t5": 32}, context_width=16, embedding_width=16)
    plain = prompt(roles={"t5": 32})
    context = conditioner(Prompt(plain.tokens, plain.keep, regions(2.0, form=form)))
    context.sigma = torch.tensor([0.5, 1.5])
    q, k = torch.randn(2, 2, 16, 8), torch.randn(2, 2, 7, 8)
    scores = q @ k.transpose(-1, -2) / 8**0.5
    bias = context.region_bias(scores, (4, 4), per_query=per_query)
    assert bias.shape == (2, 1, 16, 7)
    for b in range(2):
        sigma = context.sigma[b] ** (2 if form.growth == "sigma-squared" else 1)
        left, right = 4, 7  # the ends of the second row, one painted, one not
        for query, painted in ((left, 1.0), (right, 0.0)):
            seen = scores[b, :, query if per_query else slice(None), :5]  # the rest is padding
            scale = seen.max() if form.scale == "max" else seen.std(correction=0)
            expected = 2.0 * torch.log1p(sigma) * scale * painted
            torch.testing.assert_close(bias[b, 0, query, 2], expected)  # the null token is first
        others = [0, 1, 3, 4, 5, 6]
        assert not bias[b, 0, :, others].any()


def test_a_negative_largest_score_turns_no_phrase_away() -> None:
    conditioner = Conditioner({"t5": 32}, context_width=16, embedding_width=16)
    plain = prompt(roles={"t5": 32})
    context = conditioner(Prompt(plain.tokens, plain.keep, regions(2.0)))
    context.sigma = torch.ones(2)
    assert not context.region_bias(-torch.rand(2, 2, 16, 7), (4, 4), per_query=True).any()


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


@pytest.mark.parametrize("stage", ["base", "sr256"])
def test_painted_pictures_do_not_depend_on_batch_mates(stage: str) -> None:
    net, plain = network(stage), prompt(4)
    painted = Prompt(plain.tokens, plain.keep, regions(2.0, batch=4))
    low = torch.randn(4, 3, 4, 4) if stage == "sr256" else None
    cond = StageInput(painted, low, None if low is None else torch.full((4,), 0.1))
    torch.manual_seed(1)
    x, c_noise = torch.randn(4, 3, 16, 16), torch.linspace(-1, 1, 4)
    with torch.no_grad():
        expected = net(x, c_noise, cond)[2]
        alone = net(x[2:3], c_noise[2:3], cond.map(lambda t: t[2:3]))[0]
    torch.testing.assert_close(alone, expected, atol=1e-4, rtol=0)


def test_a_window_gets_its_part_of_the_masks_on_the_whole_grid() -> None:
    masks = torch.rand(1, 2, 50, 50)
    whole = _resized(masks, (16, 32), None)
    window = Window(top=32, bottom=96, left=64, right=256, height=128, width=256)
    assert torch.equal(_resized(masks, (8, 24), window), whole[:, :, 4:12, 8:32])


def test_gradients_flow_through_painted_attention() -> None:
    net, plain = network(), prompt()
    painted = Prompt(plain.tokens, plain.keep, regions(1.0))
    net(torch.randn(2, 3, 16, 16), torch.zeros(2), StageInput(painted)).square().mean().backward()
    grads = [p.grad for n, p in net.named_parameters() if "cross_attention.query" in n]
    assert grads and all(g is not None and g.isfinite().all() and g.any() for g in grads)


def test_regions_of_roles_that_are_not_there_are_skipped() -> None:
    net, plain = network(), prompt()
    del plain.tokens["clip_text"]
    painted = Prompt(plain.tokens, plain.keep, regions(3.0, form=RegionForm(placed=False)))
    expected = run(net, StageInput(painted))
    assert painted.regions is not None
    for absent in ("clip_text", "nobody's"):
        painted.regions.columns[absent] = torch.ones(2, 1, 6, dtype=torch.bool)
    assert torch.equal(run(net, StageInput(painted)), expected)


def test_regions_of_a_dropped_role_weigh_nothing() -> None:
    net, plain = network(), prompt()
    plain.keep["t5"][0] = False  # in the first picture only
    painted = Prompt(plain.tokens, plain.keep, regions(100.0))
    assert painted.regions is not None
    painted.regions.columns["t5"][..., 0] = True  # where a dropped role shows its null token
    change = (run(net, StageInput(painted)) - run(net, StageInput(plain))).abs()
    assert 100 * change[0].max() < change[1].max()


def test_upscaler_tile_equals_the_whole() -> None:
    net = network("sr256")
    halo, side = net.halo, 256
    stride = net.config.stride
    assert halo % stride == 0 and 2 * halo + stride < side
    torch.manual_seed(2)
    x, low = torch.randn(1, 3, side, side), torch.randn(1, 3, side // 4, side // 4)
    cond = StageInput(prompt(1), low, torch.tensor([0.1]))
    with torch.no_grad():
        whole = net(x, torch.zeros(1), cond)
        part = slice(0, side - stride)
        tile = StageInput(cond.prompt, low[..., : (side - stride) // 4], cond.augmentation)
        cut = net(x[..., part], torch.zeros(1), tile)
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
        out = net(torch.randn(2, 3, 16, 24), torch.zeros(2), StageInput(prompt()))
    assert out.shape == (2, 3, 16, 24)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("stage", STAGES)
def test_every_preset_can_be_built(preset: str, stage: str) -> None:
    with torch.device("meta"):
        net = UNet(PRESETS[preset][stage])
    millions = sum(p.numel() for p in net.parameters()) / 1e6
    low, high = {
        ("tiny", "base"): (0, 0.2),
        ("pictogram", "base"): (8, 25),  # 50 MB, bf16
        ("pictogram", "sr256"): (1, 5),  # 10 MB, bf16
        ("pictogram", "sr1024"): (1, 5),
        ("paper", "base"): (600, 1100),  # 0.7 to 1.0 B by the sheet
        ("paper", "sr256"): (200, 700),
        ("paper", "sr1024"): (200, 700),
    }.get((preset, stage), (0, 0.2))
    assert low < millions < high


def test_bounds_of_masks_pass_over_a_stray_dot() -> None:
    masks = torch.zeros(1, 2, 20, 40)
    masks[0, 0, 5:15, 8:24] = 1
    masks[0, 1] = masks[0, 0]
    masks[0, 1, 19, 39] = 1  # 1 of 161
    expected = torch.tensor([8 / 40, 5 / 20, 16 / 40, 10 / 20])
    torch.testing.assert_close(bounds(masks), expected.expand(1, 2, 4))
    assert (bounds(torch.zeros(1, 1, 8, 8))[..., 2:] <= 1).all()


def test_super_resolution_denoiser_starts_as_the_enlarged_picture() -> None:
    config = PRESETS["tiny"]["sr256"]
    low = torch.rand(1, 3, 8, 8)
    for depth in (config.sketch_depth, 0):
        denoiser = build_denoiser(config.model_copy(update={"sketch_depth": depth}), 0.1)
        cond = StageInput(prompt(1), low, torch.tensor([0.1]))
        with torch.no_grad():
            x0 = denoiser(torch.randn(1, 3, 32, 32), torch.tensor([50.0]), cond)
            known = cast(UNet, denoiser.network).known(cond, (32, 32))
        assert torch.equal(known, enlarge(low, (32, 32))) == (depth == 0)
        torch.testing.assert_close(x0, known, atol=2e-3, rtol=0)
