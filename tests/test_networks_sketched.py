"""The base of version 0.1: layers, what they read, where they stand, and their retouching."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import torch
import torch.nn.functional as F
from helpers.networks import SKETCHED, awake, prompt
from torch import Tensor

from ediffi.core.types import Prompt, RegionForm, Regions, StageInput
from ediffi.networks.sketched import SketchPrior
from ediffi.networks.sketched.layers import GAP, bounds, over, placed, spread
from ediffi.networks.sketched.retouch import sharpened
from ediffi.networks.sketched.sketch import apart


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


def picture(prior: SketchPrior, said: Prompt) -> Tensor:
    with torch.no_grad():
        return prior(StageInput(said), (16, 16)).picture


def sketch_prior(**changes: object) -> SketchPrior:
    shape = SKETCHED.prior.model_copy(update=changes)  # type: ignore[union-attr]
    prior = awake(SketchPrior(SKETCHED.model_copy(update={"prior": shape})), 0.2)
    return cast(SketchPrior, prior)


def test_it_is_drawn_from_the_prompt_alone_whatever_its_batch_mates() -> None:
    prior, said = sketch_prior(), prompt(3)
    whole = picture(prior, said)
    assert whole.shape == (3, 3, 16, 16) and not torch.allclose(whole[0], whole[1])
    alone = picture(prior, StageInput(said).rows([1]).prompt)
    torch.testing.assert_close(alone[0], whole[1], atol=1e-5, rtol=0)


def test_a_layer_goes_where_its_words_are_painted() -> None:
    prior = sketch_prior(retouch=None)
    columns = torch.zeros(1, 2, 6, dtype=torch.bool)
    columns[0, 0, :3] = columns[0, 1, 3:] = True  # whatever a layer reads, it is of one of them
    said = prompt(1, roles={"t5": 32})
    seen = replace(said.tokens["t5"], mask=torch.ones(1, 6, dtype=torch.bool))
    with torch.no_grad():  # layers are all that is drawn, and stand exactly where they are painted
        prior.sketch.backdrop[2].weight.zero_()
        prior.sketch.backdrop[2].bias.zero_()
        prior.sketch.fit[2].weight.zero_()
        prior.sketch.fit[2].bias.zero_()

    def drawn(mask: Tensor, *, placed: bool = True) -> Tensor:
        regions = Regions(mask, {"t5": columns}, torch.ones(1, 2), RegionForm(placed=placed))
        return picture(prior, replace(said, tokens={"t5": seen}, regions=regions))[0].abs().amax(0)

    left = torch.zeros(1, 2, 32, 32)
    left[..., 8:24, 2:12] = 1
    for mask, there in ((left, slice(0, 8)), (left.flip(3), slice(8, 16))):
        shown = drawn(mask)
        assert float(shown[:, there].sum()) > 0.9 * float(shown.sum()) > 0
    assert torch.equal(drawn(left, placed=False), drawn(left.flip(3), placed=False))


def test_layers_on_one_place_move_apart_where_pictures_never_overlap() -> None:
    def where(prior: SketchPrior) -> Tensor:
        with torch.no_grad():  # four layers, all in the middle, a quarter of the canvas wide
            prior.sketch.place.weight.zero_()
            prior.sketch.place.bias.copy_(torch.tensor([0.0, 0.0, -0.25, -0.25, 10.0]))
            prior.sketch.backdrop[2].weight.zero_()
            prior.sketch.backdrop[2].bias.zero_()
        return picture(prior, prompt(1))[0].abs().amax(0) > 1e-3

    together = where(sketch_prior(retouch=None))
    apart_ = where(sketch_prior(retouch=None, overlaps=False))
    assert together[6:10, 6:10].all() and not together[:5].any() and not together[:, :5].any()
    assert apart_.sum() > 2.5 * together.sum()


PHRASES = torch.eye(3, 5)[None]  # three painted phrases of a token each, two tokens of no phrase


def test_a_query_that_looks_at_two_painted_phrases_keeps_the_one_that_nobody_else_draws() -> None:
    shares = torch.tensor([[[0.9, 0, 0, 0.1, 0], [0, 0.2, 0.6, 0, 0.2], [0, 0, 1.0, 0, 0]]])
    out = apart(shares, PHRASES, torch.ones(1, 3))
    expected = [[0.9, 0, 0, 0.1, 0], [0, 0.5, 0, 0, 0.5], [0, 0, 1, 0, 0]]
    torch.testing.assert_close(out, torch.tensor([expected]))


def test_a_query_that_draws_nothing_takes_no_phrase_from_one_that_draws() -> None:
    shares = torch.tensor([[[0, 0.4, 0.5, 0, 0.1], [0, 0, 1.0, 0, 0]]])
    first, second = apart(shares, PHRASES, torch.tensor([[1.0, 0.01]]))[0]
    assert first.argmax() == 2 and first[1] == 0
    assert torch.equal(second, shares[0, 1])  # nothing is left for it: it stays as it is


def test_attention_stays_where_nothing_is_painted_or_phrases_are_more_than_queries() -> None:
    shares = torch.rand(2, 2, 5).softmax(-1)
    phrases = PHRASES * torch.tensor([0.0, 1.0])[:, None, None]
    out = apart(shares, phrases, torch.ones(2, 2))
    assert torch.equal(out[0], shares[0])  # bit by bit, whatever its batch mates have
    torch.testing.assert_close(out.sum(-1), torch.ones(2, 2))
    assert ((out[1, :, :3] > 0).sum(-1) == 1).all()  # one phrase each
    assert out[1, 0, :3].argmax() != out[1, 1, :3].argmax()


def test_bounds_of_masks_pass_over_a_stray_dot() -> None:
    masks = torch.zeros(1, 2, 20, 40)
    masks[0, 0, 5:15, 8:24] = 1
    masks[0, 1] = masks[0, 0]
    masks[0, 1, 19, 39] = 1  # 1 of 161
    expected = torch.tensor([8 / 40, 5 / 20, 16 / 40, 10 / 20])
    torch.testing.assert_close(bounds(masks), expected.expand(1, 2, 4))
    assert (bounds(torch.zeros(1, 1, 8, 8))[..., 2:] <= 1).all()
