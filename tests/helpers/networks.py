"""Prompts, regions and networks that are small, and whose outputs are not zero."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ediffi.core.types import ROLES, Prompt, RegionForm, Regions, StageInput, Tokens
from ediffi.networks import PRESETS, UNet
from ediffi.networks.config import SketchConfig, UNetConfig

SKETCHED = PRESETS["tiny"]["base"].model_copy(
    update={"prior": SketchConfig(depth=1, drawing=(8, 16), overlaps=True, retouch=(8, 1))}
)


def prompt(batch: int = 2, length: int = 6, roles: dict[str, int] | None = None) -> Prompt:
    """Random tokens for every role; the last two tokens are padding."""
    chance = torch.Generator().manual_seed(5)
    tokens = {}
    for role, width in (roles or dict.fromkeys(ROLES, 32)).items():
        mask = torch.ones(batch, length, dtype=torch.bool)
        mask[:, -2:] = False
        states = torch.randn(batch, length, width, generator=chance)
        tokens[role] = Tokens(states, mask, torch.randn(batch, width, generator=chance))
    return Prompt(tokens, {role: torch.ones(batch, dtype=torch.bool) for role in ROLES})


def regions(weight: float, batch: int = 2, form: RegionForm | None = None) -> Regions:
    """The left half belongs to token 1 of t5."""
    masks = torch.zeros(batch, 1, 32, 32)
    masks[..., :16] = 1
    columns = torch.zeros(batch, 1, 6, dtype=torch.bool)
    columns[..., 1] = True
    weights = torch.full((batch, 1), weight)
    return Regions(masks, {"t5": columns}, weights, form or RegionForm())


def input_of(config: UNetConfig, batch: int = 2, side: int = 16) -> StageInput:
    """What a stage of that shape is conditioned on, for pictures of that side."""
    said = prompt(batch, roles=config.roles)
    if config.scale == 1:
        return StageInput(said)
    chance = torch.Generator().manual_seed(6)
    low_res = torch.rand(batch, 3, side // 4, side // 4, generator=chance) * 2 - 1
    return StageInput(said, low_res, torch.full((batch,), 0.1))


def awake(module: nn.Module, std: float = 0.1) -> nn.Module:
    """With random weights everywhere: a fresh network's branches are zero at their ends."""
    chance = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(std * torch.randn(parameter.shape, generator=chance))
    return module


def network(config: UNetConfig = PRESETS["tiny"]["base"]) -> UNet:
    """A U-Net whose output is not zero."""
    net = awake(UNet(config).eval())
    assert isinstance(net, UNet)
    return net


@torch.no_grad()
def run(net: nn.Module, cond: StageInput, side: int = 16) -> Tensor:
    """Its answer to fixed noise at sigmas from 0.02 to 55."""
    batch = len(cond)
    x = torch.randn(batch, 3, side, side, generator=torch.Generator().manual_seed(1))
    out: Tensor = net(x, torch.linspace(-4, 4, batch).exp(), cond)
    return out


def half_planes(number: int) -> Tensor:
    """(number, 3, 32, 32): two colours on either side of a straight edge anywhere."""
    angle, offset = 2 * torch.pi * torch.rand(number, 1, 1), 20 * torch.rand(number, 1, 1) - 10
    y, x = torch.meshgrid(torch.arange(32) - 15.5, torch.arange(32) - 15.5, indexing="ij")
    side = (angle.cos() * x + angle.sin() * y > offset).float()[:, None]
    one, other = 2 * torch.rand(2, number, 3, 1, 1) - 1
    return side * one + (1 - side) * other
