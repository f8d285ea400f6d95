"""What a sketch looks like retouched: sharper edges, no colours that were not there."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from test_networks_enlarger import half_planes

from ediffi.networks.enlarger import enlarger_loss
from ediffi.networks.retouch import Retouch, sharpened


def test_amounts_from_the_mean_to_an_edge() -> None:
    edge = torch.tensor([0.0, 0, 0, 1, 3, 3, 3, 3]).expand(1, 1, 5, 8)
    amounts = torch.tensor([-1.0, 0, 100])[:, None, None, None].expand(3, 1, 5, 8)
    mean, same, sharp = sharpened(edge.expand(3, 1, 5, 8), amounts)
    padded = F.pad(edge, (1, 1, 1, 1), mode="replicate")
    assert torch.allclose(mean, F.avg_pool2d(padded, 3, stride=1)[0])
    assert torch.equal(same, edge[0])
    assert torch.equal(sharp[0, 2], torch.tensor([0.0, 0, 0, 0, 3, 3, 3, 3]))


def test_no_colour_that_is_not_around() -> None:
    picture = torch.rand(1, 3, 8, 8)
    drawn = sharpened(picture, 20 * torch.randn(1, 1, 8, 8))
    around = F.pad(picture, (1, 1, 1, 1), mode="replicate")
    highest, lowest = F.max_pool2d(around, 3, stride=1), -F.max_pool2d(-around, 3, stride=1)
    assert (drawn <= highest).all() and (drawn >= lowest).all()


def test_it_learns_to_sharpen() -> None:
    torch.manual_seed(0)
    net = Retouch(channels=16, depth=1, embedding_width=8)
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    losses, untouched = [], []
    for _ in range(160):
        clean = half_planes(8)
        soft = F.avg_pool2d(clean, 3, stride=1, padding=1, count_include_pad=False)
        loss = enlarger_loss(net(soft, torch.zeros(8, 8)), clean, 0.1).mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
        untouched.append(enlarger_loss(soft, clean, 0.1).mean().item())
    assert losses[0] < untouched[0] and sum(losses[-20:]) < 0.9 * sum(untouched[-20:])
