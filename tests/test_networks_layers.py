"""Drawings in boxes: whole, moved, made smaller, and one over the other."""

from __future__ import annotations

import torch

from ediffi.networks.layers import over, placed


def test_the_whole_canvas_shows_the_drawing_as_it_is() -> None:
    drawing = torch.rand(2, 3, 4, 8, 8)
    whole = torch.tensor([0.0, 0.0, 1.0, 1.0]).expand(2, 3, 4)
    torch.testing.assert_close(placed(drawing, whole, 8), drawing)


def test_a_drawing_moves_by_whole_pixels_and_keeps_its_sum_when_made_smaller() -> None:
    drawing = torch.rand(1, 1, 4, 4, 4)
    corner = placed(drawing, torch.tensor([[[0.5, 0.25, 0.5, 0.5]]]), 8)
    torch.testing.assert_close(corner[..., 2:6, 4:8], drawing)
    assert not corner[..., :2, :].any() and not corner[..., :, :4].any()
    half = placed(drawing, torch.tensor([[[0.25, 0.25, 0.25, 0.25]]]), 8)
    assert half.sum() < drawing.sum()  # a part of the border's light falls outside
    flat = placed(torch.ones(1, 1, 1, 64, 64), torch.tensor([[[0.25, 0.25, 0.5, 0.5]]]), 16)
    torch.testing.assert_close(flat[0, 0, 0, 5:11, 5:11], torch.ones(6, 6))
    torch.testing.assert_close(float(flat.sum()), 64.0, atol=3.0, rtol=0)


def test_a_margin_makes_the_drawing_larger_than_its_box() -> None:
    box = torch.tensor([[[0.25, 0.25, 0.5, 0.5]]])
    with_margin = placed(torch.ones(1, 1, 1, 8, 8), box, 16, margin=0.25)
    larger = torch.tensor([[[0.125, 0.125, 0.75, 0.75]]])
    torch.testing.assert_close(with_margin, placed(torch.ones(1, 1, 1, 8, 8), larger, 16))


def test_boxes_learn_from_the_picture() -> None:
    box = torch.tensor([[[0.3, 0.3, 0.4, 0.4]]], requires_grad=True)
    target = placed(torch.ones(1, 1, 1, 8, 8), torch.tensor([[[0.4, 0.2, 0.4, 0.4]]]), 16)
    (placed(torch.ones(1, 1, 1, 8, 8), box, 16) - target).square().sum().backward()
    assert box.grad is not None and box.grad[0, 0, 0] < 0 < box.grad[0, 0, 1]


def test_later_layers_cover_earlier_ones() -> None:
    backdrop = torch.zeros(1, 3, 2, 2)
    red = torch.tensor([1.0, 0, 0, 1]).view(1, 1, 4, 1, 1).expand(1, 1, 4, 2, 2)
    glass = torch.tensor([0, 0.5, 0, 0.5]).view(1, 1, 4, 1, 1).expand(1, 1, 4, 2, 2)
    picture = over(backdrop, torch.cat([red, glass], 1))
    torch.testing.assert_close(picture[0, :, 0, 0], torch.tensor([0.5, 0.5, 0.0]))
    torch.testing.assert_close(over(backdrop, torch.cat([glass, red], 1))[0, 0], torch.ones(2, 2))
