"""Where words went: attention read while the first stage draws."""

from __future__ import annotations

import torch
from helpers.evaluation import tiny_cascade
from torch import Tensor

from ediffi.model import Cascade
from ediffi.model.attention import attended, word_maps
from ediffi.model.request import Request
from ediffi.paint import Painting, from_regions


def left(phrase: str, weight: float) -> Painting:
    """A phrase painted on the left half."""
    mask = {"phrase": phrase, "box": [0, 0, 0.5, 1], "weight": weight}
    return from_regions({"regions": [mask]}, folder=None)


def centre(map: Tensor) -> float:
    """Of mass, from 0 at the left to 1."""
    across = map.sum(0) / map.sum()
    return float((across * torch.linspace(0, 1, len(across))).sum())


def test_every_evaluation_shares_its_attention_out_over_the_tokens() -> None:
    cascade = tiny_cascade()
    plan = cascade.plan(Request.of(prompts=["a fox", "a small red fox"], num_steps=3))
    told = list(attended(plan, cascade))
    assert len(told) == 3
    assert [one.sigma for one in told] == sorted((k.sigma for k in told), reverse=True)
    for one in told:
        assert len(one.shares) == 2  # the half of the guided pair that hears the prompt
        total = one.shares.sum(1)
        torch.testing.assert_close(total, torch.ones_like(total), atol=0.01, rtol=0)


def test_watching_leaves_the_picture_as_it_is() -> None:
    cascade = tiny_cascade()
    request = Request.of(prompts="a fox", num_steps=3)
    before = cascade.generate("a fox", num_steps=3)
    word_maps(cascade.plan(request), cascade)
    assert torch.equal(cascade.generate("a fox", num_steps=3), before)


def test_there_is_a_map_for_each_word() -> None:
    cascade = tiny_cascade()
    plan = cascade.plan(Request.of(prompts=["a fox", "a small red fox"]))
    first, second = word_maps(plan, cascade)
    assert [w.word for w in first][:2] == ["a", "fox"]
    text = plan.subjects[1].text
    assert text is not None and all(text[slice(*w.span)] == w.word for w in second)
    assert max(float(w.map.max()) for w in second) == 1


def test_a_word_painted_strongly_is_looked_at_where_it_is_painted() -> None:
    cascade = tiny_cascade()

    def share(weight: float) -> float:
        request = Request.of(prompts="a fox", regions=left("fox", weight))
        (words,) = word_maps(cascade.plan(request), cascade)
        return 1 - centre(next(w.map for w in words if w.word == "fox"))

    assert share(20.0) > share(0.0) + 0.05


def test_the_default_model_says_where_its_things_are() -> None:
    cascade = Cascade.from_pretrained("pictogram")
    request = Request.of(prompts="a cat to the left of a green rocket", stop_at=64)
    (words,) = word_maps(cascade.plan(request), cascade)
    maps = {w.word: w.map for w in words}
    assert centre(maps["cat"]) + 0.2 < centre(maps["rocket"])
