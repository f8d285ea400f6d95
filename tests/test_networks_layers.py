"""Drawings in boxes: whole, moved, made smaller, and one over the other."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from ediffi.networks.layers import GAP, over, placed, spread


def test_each_pixel_is_the_mean_of_the_drawing_under_it() -> None:
    drawing = torch.rand(1, 1, 3, 6, 6)
    fine = F.interpolate(drawing[0], (6 * 64, 6 * 64), mode="bilinear")  # of pixels' centres
    mean = F.adaptive_avg_pool2d(fine, 2)  # three pixels of the drawing under each
    whole = placed(drawing, torch.tensor([[[0.0, 0.0, 1.0, 1.0]]]), 2, margin=0.0)
    assert (whole[0] - mean).abs().max() < 0.1  # beyond the outermost centres it fades to nothing
    inside = torch.tensor([[[-1.0, -1.0, 3.0, 3.0]]])  # the canvas is the drawing's middle third
    large = placed(drawing, inside, 4)
    expected = F.adaptive_avg_pool2d(fine[..., 128:256, 128:256], 4)
    torch.testing.assert_close(large[0], expected, atol=1e-3, rtol=0)


def test_what_is_even_stays_even_at_any_size_and_place() -> None:
    even = torch.ones(1, 1, 1, 40, 40)
    for side in (0.13, 0.31, 0.5, 0.77):
        shown = placed(even, torch.tensor([[[0.111, 0.111, side, side]]]), 64)[0, 0, 0]
        first, last = int(0.111 * 64) + 4, int((0.111 + side) * 64) - 3
        torch.testing.assert_close(shown[first:last, first:last].amin(), torch.tensor(1.0))
        assert shown.max() < 1 + 1e-5
        torch.testing.assert_close(float(shown.sum()), (64 * side) ** 2, rtol=0.01, atol=0)


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


def overlap(boxes: torch.Tensor) -> torch.Tensor:
    """Of every pair of boxes (K, 4): the shorter side of what both have, below 0 if apart."""
    low = torch.maximum(boxes[:, None, :2], boxes[:, :2])
    high = torch.minimum((boxes[:, :2] + boxes[:, 2:])[:, None], boxes[:, :2] + boxes[:, 2:])
    return (high - low).amin(-1)[~torch.eye(len(boxes), dtype=torch.bool)]


def test_boxes_that_overlap_move_apart_and_stay_on_the_canvas() -> None:
    torch.manual_seed(0)
    sides = 0.2 + 0.3 * torch.rand(200, 4, 2)
    boxes = torch.cat([torch.rand(200, 4, 2) * (1 - sides), sides], -1)
    boxes[0] = boxes[0, :1]  # all at one place
    yes = torch.ones(200, 4, dtype=torch.bool)
    out = spread(boxes, yes, ~yes)
    before, after = (torch.stack([overlap(b).amax() for b in some]) for some in (boxes, out))
    assert (before > 0.05).float().mean() > 0.8  # most had to move
    assert after.max() < 0.005
    assert out[..., :2].min() > -1e-5 and (out[..., :2] + out[..., 2:]).max() < 1 + 1e-5
    shrunk = out[..., 2:] / boxes[..., 2:]
    assert shrunk.min() > 0.45 and shrunk.max() < 1 + 1e-5
    torch.testing.assert_close(spread(boxes[5:6], yes[:1], ~yes[:1]), out[5:6])  # batch mates


def test_boxes_that_are_apart_held_or_not_there_stay() -> None:
    apart_ = torch.tensor([[[0.0, 0.0, 0.4, 0.9], [0.5, 0.1, 0.4, 0.4], [0.4, 0.0, 0.5, 0.5]]])
    there, held = torch.tensor([[True, True, False]]), torch.zeros(1, 3, dtype=torch.bool)
    torch.testing.assert_close(spread(apart_, there, held), apart_)
    pair = torch.tensor([[[0.2, 0.2, 0.3, 0.4], [0.3, 0.2, 0.3, 0.4]]])
    yes = torch.ones(1, 2, dtype=torch.bool)
    torch.testing.assert_close(spread(pair, yes, yes), pair)  # who paints an overlap gets one
    one = spread(pair, yes, torch.tensor([[True, False]]))
    torch.testing.assert_close(one[0, 0], pair[0, 0])
    torch.testing.assert_close(one[0, 1], torch.tensor([0.5 + GAP, 0.2, 0.3, 0.4]))
