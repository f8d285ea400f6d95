"""Painted phrases in attention, against the paper's formula written out once more."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from helpers.networks import prompt, regions
from torch import Tensor

from ediffi.core.types import RegionForm, Window
from ediffi.networks.conditioner import Conditioner, Text
from ediffi.networks.regions import columns_of, painted, region_bias, resized


def text_of(form: RegionForm) -> Text:
    """The left half belongs to a token, with w' = 2."""
    conditioner = Conditioner({"t5": 32}, context_width=16, embedding_width=16)
    text: Text = conditioner(replace(prompt(roles={"t5": 32}), regions=regions(2.0, form=form)))
    return text


def bias_of(text: Text, scores: Tensor, sigma: Tensor, per_query: bool) -> Tensor:
    assert text.regions is not None
    columns = columns_of(text.regions, text.offsets, text.states.shape[1])
    weighted = painted(text.regions, columns, (4, 4))
    return region_bias(scores, text.regions, weighted, sigma, text.mask, per_query)


@pytest.mark.parametrize("per_query", [False, True])
@pytest.mark.parametrize("form", [RegionForm(), RegionForm("std", "sigma-squared")])
def test_region_bias_is_the_papers_formula(form: RegionForm, per_query: bool) -> None:
    sigma = torch.tensor([0.5, 1.5])
    q, k = torch.randn(2, 2, 16, 8), torch.randn(2, 2, 7, 8)
    scores = q @ k.transpose(-1, -2) / 8**0.5
    bias = bias_of(text_of(form), scores, sigma, per_query)
    assert bias.shape == (2, 1, 16, 7)
    for b in range(2):
        grown = sigma[b] ** (2 if form.growth == "sigma-squared" else 1)
        left, right = 4, 7  # the ends of the second row, one painted, one not
        for query, there in ((left, 1.0), (right, 0.0)):
            seen = scores[b, :, query if per_query else slice(None), :5]  # the rest is padding
            scale = seen.max() if form.scale == "max" else seen.std(correction=0)
            expected = 2.0 * torch.log1p(grown) * scale * there
            torch.testing.assert_close(bias[b, 0, query, 2], expected)  # the null token is first
        others = [0, 1, 3, 4, 5, 6]
        assert not bias[b, 0, :, others].any()


def test_a_negative_largest_score_turns_no_phrase_away() -> None:
    scores = -torch.rand(2, 2, 16, 7)
    assert not bias_of(text_of(RegionForm()), scores, torch.ones(2), per_query=True).any()


def test_a_window_gets_its_part_of_the_masks_on_the_whole_grid() -> None:
    masks = torch.rand(1, 2, 50, 50)
    whole = resized(masks, (16, 32), None)
    window = Window(top=32, bottom=96, left=64, right=256, height=128, width=256)
    assert torch.equal(resized(masks, (8, 24), window), whole[:, :, 4:12, 8:32])
