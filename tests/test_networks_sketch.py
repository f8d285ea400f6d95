"""The sketch: layers, where they stand, what they read, and its losses."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from test_networks_unet import network, prompt, run
from torch import Tensor

from ediffi.core.types import RegionForm, Regions, StageInput, Things
from ediffi.networks import PRESETS, UNet, drawing_loss, layout_loss, sketch_loss
from ediffi.networks.context import Drawn
from ediffi.networks.sketch import apart


def test_older_weights_draw_the_same_with_a_sketch() -> None:
    config = PRESETS["tiny"]["base"]
    assert config.sketch_depth
    old, new = UNet(config.model_copy(update={"sketch_depth": 0, "retouch": None})), UNet(config)
    for parameter in old.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    new.load_state_dict(old.state_dict(), strict=False)
    assert torch.equal(run(new, StageInput(prompt())), run(old, StageInput(prompt())))


def test_sketch_reads_the_prompt_alone_and_once() -> None:
    net, cond = network(), StageInput(prompt())
    with torch.no_grad():
        net(torch.randn(2, 3, 16, 16), torch.tensor([-1.0, 0.5]), cond)
        drawn = net.context(cond).drawn
        net(torch.randn(2, 3, 16, 16), torch.tensor([0.3, 0.1]), cond)
        assert net.context(cond).drawn is drawn and drawn is not None
        other = net.context(StageInput(prompt().dropped())).drawn
    assert drawn.picture.shape == (2, 3, 16, 16)
    assert other is not None and not torch.allclose(other.picture, drawn.picture)


def test_a_layer_goes_where_its_words_are_painted() -> None:
    """Masks that exchange two phrases' places exchange where the layers that read them are."""
    torch.manual_seed(0)
    net = UNet(PRESETS["tiny"]["base"])
    assert net.sketch is not None
    left = torch.zeros(1, 1, 32, 32)
    left[..., 8:24, 2:14] = 1
    right = left.flip(3)
    columns = torch.zeros(1, 2, 6, dtype=torch.bool)
    columns[0, 0, :3] = columns[0, 1, 3:] = True  # whatever a layer reads, it is of one of them
    said = prompt(1, roles={"t5": 32})
    said = replace(said, tokens={"t5": replace(said.tokens["t5"], mask=torch.ones(1, 6).bool())})

    def boxes(*masks: torch.Tensor, placed: bool = True) -> torch.Tensor:
        form = RegionForm(placed=placed)
        regions = Regions(torch.cat(masks, 1), {"t5": columns}, torch.ones(1, 2), form)
        with torch.no_grad():
            drawn = net.context(StageInput(replace(said, regions=regions))).drawn
        assert drawn is not None and drawn.boxes is not None
        return drawn.boxes

    both = boxes(left, left)
    torch.testing.assert_close(
        both, torch.tensor([2 / 32, 8 / 32, 12 / 32, 16 / 32]).expand_as(both)
    )
    there, back = boxes(left, right), boxes(right, left)
    mirrored = 1 - back[..., 0] - back[..., 2]
    torch.testing.assert_close(there[..., 0], mirrored, atol=0.01, rtol=0)
    assert (there - back).abs().max() > 0.001
    free = boxes(left, left, placed=False)
    assert torch.equal(free, boxes(right, left, placed=False))
    assert not torch.allclose(free, both)


def test_a_sketch_that_knows_where_things_are_draws_them_there() -> None:
    torch.manual_seed(0)
    net = UNet(PRESETS["tiny"]["base"])
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    boxes = torch.tensor([[0.0, 0.0, 0.4, 0.4], [0.5, 0.5, 0.4, 0.4]]).repeat(1, 2, 1)
    nowhere = torch.zeros(1, 4, dtype=torch.bool)
    said = prompt(1)

    def drawn(there: torch.Tensor) -> torch.Tensor:
        cond = StageInput(said, things=Things(boxes, there, {}, torch.zeros(1, 4, 4, 8, 8)))
        with torch.no_grad():
            sketch = net.context(cond, retouched=False).drawn
        assert sketch is not None
        return sketch.picture

    empty = drawn(nowhere)
    one = torch.tensor([[True, False, False, False]])
    changed = (drawn(one) - empty).abs().amax((0, 1)) > 1e-6
    assert changed[:6, :6].any() and not changed[8:].any() and not changed[:, 8:].any()


def test_layout_loss_in_closed_form() -> None:
    boxes = torch.tensor([[[0.0, 0.0, 0.5, 0.5], [0.5, 0.5, 0.5, 0.5]]])
    things = Things(boxes, torch.tensor([[True, False]]), {}, torch.zeros(1, 2, 4, 8, 8))
    context = UNet(PRESETS["tiny"]["base"]).conditioner(prompt(1))
    shares = torch.full((1, 2, context.states.shape[1]), 1 / context.states.shape[1])
    sure = torch.tensor([[50.0, -50.0]])
    there = Drawn(torch.zeros(1), torch.zeros(1), boxes, sure, shares)
    assert float(layout_loss(there, things, context)) < 1e-12
    moved = there._replace(boxes=boxes + torch.tensor([0.1, 0.0, 0.0, 0.2]))  # centre y moves too
    torch.testing.assert_close(layout_loss(moved, things, context), torch.tensor([0.1 + 0.1 + 0.2]))
    unsure = there._replace(there=torch.zeros(1, 2))
    torch.testing.assert_close(layout_loss(unsure, things, context), torch.tensor([math.log(2)]))
    role = next(iter(context.offsets))
    named = replace(things, columns={role: torch.tensor([[[True], [False]]])})
    expected = -torch.log(shares[:, 0, 0] + 1e-3)
    torch.testing.assert_close(layout_loss(there, named, context), expected)


def test_drawing_loss_in_closed_form() -> None:
    right = torch.rand(2, 3, 4, 8, 8)
    there = torch.tensor([[True, True, False], [False, False, False]])
    things = Things(torch.rand(2, 3, 4), there, {}, right)
    drawn = Drawn(torch.zeros(1), torch.zeros(1), drawings=right)
    assert drawing_loss(drawn, things).tolist() == [0.0, 0.0]
    off = right + torch.tensor([0.1, 0.3, 5.0])[None, :, None, None, None]  # the third is not there
    lost = drawing_loss(drawn._replace(drawings=off), things)
    torch.testing.assert_close(lost, torch.tensor([huber(0.1) / 2 + huber(0.3) / 2, 0.0]))


def huber(error: float) -> float:
    return 2 * (math.hypot(error, 0.1) - 0.1)


def test_sketch_loss_in_closed_form() -> None:
    clean = torch.rand(3, 3, 16, 16)
    drawn = clean + torch.tensor([0.0, -0.05, 2.0])[:, None, None, None]
    expected = torch.tensor([0.0, huber(0.05), huber(2.0)])
    torch.testing.assert_close(sketch_loss(drawn, clean), expected)


def test_a_sketch_of_two_meanings_is_the_likelier_not_their_mean() -> None:
    """Two pictures for one prompt, one of them twice as often: what has the least loss?"""
    clean = torch.stack([torch.full((3, 4, 4), value) for value in (0.8, 0.8, -0.8)])
    guesses = torch.linspace(-1, 1, 201)
    losses = [float(sketch_loss(torch.full_like(clean, g), clean).mean()) for g in guesses]
    best = float(guesses[losses.index(min(losses))])
    assert best == pytest.approx(0.8, abs=0.1)  # the mean is 0.27


def test_layers_on_one_place_move_apart_where_pictures_never_overlap() -> None:
    torch.manual_seed(0)
    shape = PRESETS["tiny"]["base"].model_copy(update={"retouch": None})
    nets = [UNet(shape.model_copy(update={"overlaps": overlaps})) for overlaps in (True, False)]
    for parameter in nets[0].parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    sketch = nets[0].sketch
    assert sketch is not None
    with torch.no_grad():  # four layers, all in the middle: a quarter of the canvas wide and high
        sketch.place.weight.zero_()
        sketch.place.bias.copy_(torch.tensor([0.0, 0.0, -0.25, -0.25, 10.0]))
        sketch.backdrop[2].weight.zero_()
        sketch.backdrop[2].bias.zero_()
    nets[1].load_state_dict(nets[0].state_dict())
    together, apart = (drawn_where(net) for net in nets)
    assert together[6:10, 6:10].all() and not together[:5].any() and not together[:, :5].any()
    assert apart.sum() > 2.5 * together.sum()


def drawn_where(net: UNet) -> Tensor:
    """Where a sketch has drawn anything on an even backdrop: (16, 16) bool."""
    with torch.no_grad():
        return net.known(StageInput(prompt(1)), (16, 16))[0].abs().amax(0) > 1e-3


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
