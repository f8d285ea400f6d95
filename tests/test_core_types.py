"""Prompts and stage inputs as batches: stacked, taken apart, cropped, dropped."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from helpers.networks import prompt, regions

from ediffi.core.types import RegionForm, Regions, StageInput, Window


def painted(batch: int = 2, weight: float = 1.0) -> StageInput:
    return StageInput(replace(prompt(batch), regions=regions(weight, batch)))


def upscaler(batch: int = 4) -> StageInput:
    low_res = torch.arange(batch * 3.0 * 8 * 8).view(batch, 3, 8, 8)
    return replace(painted(batch), low_res=low_res, augmentation=torch.arange(float(batch)))


def of(cond: StageInput) -> Regions:
    assert cond.prompt.regions is not None
    return cond.prompt.regions


def test_rows_are_a_batch_of_their_own() -> None:
    whole = upscaler()
    some = whole.rows([2, 0])
    assert len(whole) == 4 and len(some) == 2
    assert some.low_res is not None and whole.low_res is not None
    assert torch.equal(some.low_res, whole.low_res[[2, 0]])
    states = whole.prompt.tokens["t5"].states
    assert torch.equal(some.prompt.tokens["t5"].states, states[[2, 0]])
    assert of(some).masks.shape == (2, 1, 32, 32)
    assert torch.equal(whole.rows(slice(1, 3)).prompt.tokens["t5"].states, states[1:3])


def test_parts_stacked_are_the_whole() -> None:
    whole = upscaler()
    again = whole.rows([0]).stack(whole.rows([1, 2, 3]))
    assert again.low_res is not None and again.augmentation is not None
    assert torch.equal(again.low_res, whole.low_res)  # type: ignore[arg-type]
    assert again.augmentation.tolist() == [0, 1, 2, 3]
    for role, tokens in whole.prompt.tokens.items():
        assert torch.equal(again.prompt.tokens[role].pooled, tokens.pooled)
        assert torch.equal(again.prompt.keep[role], whole.prompt.keep[role])
    assert torch.equal(of(again).masks, of(whole).masks)


def test_missing_regions_become_ones_that_paint_nothing() -> None:
    plain = StageInput(prompt())
    for stacked, rows in ((painted().stack(plain), (1, 0)), (plain.stack(painted()), (0, 1))):
        assert of(stacked).weight[:, 0].tolist() == [rows[0]] * 2 + [rows[1]] * 2
        nothing = slice(2, 4) if rows[1] == 0 else slice(0, 2)
        assert not of(stacked).columns["t5"][nothing].any() and not of(stacked).masks[nothing].any()
    assert plain.stack(plain).prompt.regions is None


def test_fewer_regions_are_made_up() -> None:
    one = painted()
    twice = of(one).map(lambda t: torch.cat([t, t], dim=1))
    two = replace(one, prompt=replace(one.prompt, regions=twice))
    stacked = of(one.stack(two))
    assert stacked.masks.shape == (4, 2, 32, 32)
    assert stacked.weight.tolist() == [[1.0, 0.0]] * 2 + [[1.0, 1.0]] * 2


def test_what_is_not_alike_cannot_be_stacked() -> None:
    plain, one = StageInput(prompt()), painted()
    with pytest.raises(ValueError, match="one stage"):
        plain.stack(upscaler())
    with pytest.raises(ValueError, match="same roles"):
        plain.stack(StageInput(prompt().only(["t5"])))
    other = replace(one, prompt=replace(one.prompt, regions=regions(1.0, form=RegionForm("std"))))
    with pytest.raises(ValueError, match="one form"):
        one.stack(other)


def test_the_dropped_input_says_nothing_and_shows_the_same_small_picture() -> None:
    whole = upscaler()
    null = whole.dropped()
    assert null.low_res is whole.low_res and null.augmentation is whole.augmentation
    assert not any(keep.any() for keep in null.prompt.keep.values())
    assert null.prompt.regions is None
    assert all(keep.all() for keep in whole.prompt.keep.values())  # it is left as it was


def test_a_crop_sees_its_part_of_the_small_picture_and_the_whole_masks() -> None:
    whole = upscaler()
    window = Window(top=8, bottom=24, left=4, right=32, height=32, width=32)  # of 8 x 8 cells of 4
    part = whole.crop(window)
    assert part.low_res is not None and whole.low_res is not None
    assert torch.equal(part.low_res, whole.low_res[:, :, 2:6, 1:8])
    assert of(part).window == window and of(part).masks is of(whole).masks
    assert of(whole).window is None


def test_an_input_moves_with_all_its_tensors() -> None:
    seen: set[str] = set()
    replace(upscaler(), hint=torch.zeros(4, 1)).to("meta").map(
        lambda t: seen.add(t.device.type) or t
    )  # type: ignore[func-returns-value]
    assert seen == {"meta"}


def test_shorter_prompts_and_their_paint_are_padded() -> None:
    long, short = painted(), StageInput(replace(prompt(2, length=4), regions=regions(1.0)))
    tokens = {role: t for role, t in long.prompt.tokens.items()}
    one = of(short)
    cut = replace(one, columns={role: c[..., :4] for role, c in one.columns.items()})
    short = replace(short, prompt=replace(short.prompt, regions=cut))
    for stacked, rows in ((long.stack(short), slice(2, 4)), (short.stack(long), slice(0, 2))):
        for role in tokens:
            made = stacked.prompt.tokens[role]
            assert made.mask.shape == (4, 6) and not made.mask[rows, 4:].any()
            assert not made.states[rows, 4:].any() and made.states.shape[1] == 6
        assert of(stacked).columns["t5"].shape == (4, 1, 6)
        assert not of(stacked).columns["t5"][rows, :, 4:].any()


def test_what_a_prior_says_is_kept_if_both_have_asked_it() -> None:
    asked = replace(upscaler(2), prior=torch.ones(2, 3, 8, 8), hint=torch.ones(2, 1, 8, 8))
    both = asked.stack(asked)
    assert both.prior is not None and both.prior.shape == (4, 3, 8, 8)
    assert asked.stack(upscaler(2)).prior is None
    assert asked.dropped().prior is None and asked.dropped().hint is None
    assert asked.crop(Window(0, 4, 0, 4, 8, 8)).prior is None
    assert asked.rows([1]).prior is not None
