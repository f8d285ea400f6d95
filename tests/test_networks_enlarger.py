"""An upscaler's own enlargement: mixtures of neighbours that learn where edges run."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from helpers.networks import half_planes, prompt

from ediffi.core.types import StageInput
from ediffi.networks.config import EnlargerConfig
from ediffi.networks.enlarger import Bicubic, Enlarger, convex_enlarge


def test_one_neighbour_alone_is_a_shift() -> None:
    low = torch.rand(2, 3, 5, 6)
    logits = torch.full((2, 9, 16, 5, 6), -1e4)
    logits[:, 3] = 0  # the left neighbour, for every pixel of every cell
    left = F.pad(low, (1, 0, 0, 0), mode="replicate")[..., :-1]
    expected = left.repeat_interleave(4, 2).repeat_interleave(4, 3)
    assert torch.equal(convex_enlarge(low, logits.flatten(1, 2), 4), expected)


def test_pixels_of_a_cell_choose_alone() -> None:
    low = torch.rand(1, 1, 4, 4)
    logits = torch.full((1, 9, 2, 2, 4, 4), -1e4)
    logits[:, 4] = 0
    logits[:, 4, 0, 1], logits[:, 1, 0, 1] = -1e4, 0  # the cell's upper right pixel looks up
    large = convex_enlarge(low, logits.reshape(1, 36, 4, 4), 2)
    assert torch.equal(large[:, :, 1::2], low.repeat_interleave(2, 3))
    assert torch.equal(large[:, :, 0::2, 0::2], low)
    assert torch.equal(large[0, 0, 2::2, 1::2], low[0, 0, :-1])


def test_no_colour_that_is_not_around() -> None:
    low = torch.rand(1, 3, 6, 6)
    large = convex_enlarge(low, 5 * torch.randn(1, 144, 6, 6), 4)
    around = F.pad(low, (1, 1, 1, 1), mode="replicate")
    highest = F.max_pool2d(around, 3, stride=1).repeat_interleave(4, 2).repeat_interleave(4, 3)
    lowest = -F.max_pool2d(-around, 3, stride=1).repeat_interleave(4, 2).repeat_interleave(4, 3)
    assert (large <= highest + 1e-6).all() and (large >= lowest - 1e-6).all()


def test_it_learns_where_edges_run() -> None:
    torch.manual_seed(0)
    net = Enlarger(EnlargerConfig(channels=16, depth=1), scale=4, embedding_width=8)
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
    losses, said = [], prompt(8)
    for _ in range(80):
        clean = half_planes(8)
        cond = StageInput(said, F.avg_pool2d(clean, 4), torch.zeros(8))
        loss = (net(cond, (32, 32)).picture - clean).abs().mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert sum(losses[-10:]) < 0.7 * sum(losses[:10])


def test_bicubic_keeps_flat_colours_and_means() -> None:
    def enlarged(low_res: torch.Tensor) -> torch.Tensor:
        return Bicubic()(StageInput(prompt(1), low_res, torch.zeros(1)), (64, 64)).picture

    assert torch.allclose(enlarged(torch.full((1, 3, 16, 16), 0.3)), torch.tensor(0.3))
    ramp = torch.linspace(-1, 1, 16).expand(1, 3, 16, 16)
    assert float(enlarged(ramp).mean()) == pytest.approx(0.0, abs=1e-6)
