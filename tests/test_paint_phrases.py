"""Phrases found, and paintings as the networks get them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ediffi.core.errors import UserError
from ediffi.core.types import Regions
from ediffi.encoders import TextEncoder, make_prompt
from ediffi.model import Cascade
from ediffi.paint import Painting, Region, RegionForm, paint, place
from ediffi.paint.phrases import find_phrase, tidy_span

TEXT = "a cat next to a rocket and a tree"


def box(left: float, top: float, right: float, bottom: float) -> np.ndarray:
    mask = np.zeros((64, 64), np.float32)
    mask[int(64 * top) : int(64 * bottom), int(64 * left) : int(64 * right)] = 1
    return mask


def test_whole_words_in_any_case() -> None:
    assert find_phrase("a Catalog and a CAT", "cat") == (16, 19)
    assert find_phrase("a red  fox", "red fox") == (2, 10)
    assert find_phrase("eine größe Ähre", "Ähre") == (11, 15)
    assert find_phrase("一只猫和火箭", "火箭") == (4, 6)
    assert find_phrase("a c++ (logo)", "(logo)") == (6, 12)
    assert find_phrase("a fox, a cat.", "'Cat'") == (9, 12)
    assert find_phrase("a red fox on a dark red sofa", "red fox") == (2, 9)


@pytest.mark.parametrize(
    ("text", "phrase", "complaint"),
    [
        (
            TEXT,
            "dog",
            "'dog' is not in the prompt. Choose among its words: a, cat, next, to, rocket",
        ),
        ("a category", "cat", "not in the prompt"),
        ("two cats", "cat", "not in the prompt. Choose among its words: two, cats"),
        ("a red fox on a dark red sofa", "red", r"2 times.*\[2, 5\].*\[20, 23\] 'a dark red sofa'"),
        (TEXT, "...", "not in the prompt"),
        (
            "a cat and a red cat",
            "cat",
            r"2 times.*\[2, 5\] 'a cat and a', \[16, 19\] 'a red cat'",
        ),
        (TEXT, " ", "phrase is empty"),
    ],
)
def test_phrases_that_are_not_there_or_not_unique(text: str, phrase: str, complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        find_phrase(text, phrase)


def test_spans_are_those_of_the_prompt_as_written() -> None:
    written = "  a\n red   cat and\ta cat "
    for word in ("red   cat", "cat", "a\n red", "d "):
        start = written.rindex(word)
        a, b = tidy_span(written, (start, start + len(word)))
        assert " ".join(written.split())[a:b] == " ".join(word.split())
    for bad in ((-1, 3), (3, 3), (0, 99), (0, 2)):
        with pytest.raises(UserError, match="marks no words"):
            tidy_span(written, bad)


def test_the_same_phrase_painted_twice_is_one_region() -> None:
    regions = (
        Region(box(0, 0, 0.5, 0.5), "cat"),
        Region(box(0.25, 0.25, 1, 1), "cat", negative="rocket"),
        Region(box(0, 0, 1, 1), span=(16, 22), weight=2.0),
    )
    placed = place(TEXT, Painting(regions, weight=1.0)).regions
    assert [(p.span, p.weight) for p in placed] == [
        ((2, 5), 1.0),
        ((16, 22), -1.0),
        ((16, 22), 2.0),
    ]
    assert placed[0].mask.shape == (256, 256) and placed[0].mask.max() == 1
    assert float(placed[0].mask.mean()) == pytest.approx(0.25 + 0.75**2 - 0.25**2, abs=0.01)


@pytest.mark.parametrize(
    ("region", "complaint"),
    [
        (Region(np.zeros((8, 8), bool), "cat"), "the mask of 'cat' is empty"),
        (Region(np.ones((8, 4), bool), "cat"), r"is \(8, 4\): a square is needed"),
        (Region(np.full((8, 8), 2.0, np.float32), "cat"), r"leaves \[0, 1\]"),
        (Region(np.full((8, 8), np.nan, np.float32), span=(2, 5)), r"the span \[2, 5\] leaves"),
        (Region(np.ones((8, 8), bool), "cat", weight=-1), "weight of 'cat' is -0.5: 0 to 100"),
        (Region(np.ones((8, 8), bool), "cat", negative="dog"), "'dog' is not in the prompt"),
    ],
)
def test_bad_regions(region: Region, complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        place(TEXT, Painting((region,)))


def test_no_regions_and_too_many() -> None:
    for count in (0, 65):
        with pytest.raises(UserError, match=f"{count} regions are painted"):
            place(TEXT, Painting((Region(box(0, 0, 1, 1), "cat"),) * count))


@pytest.fixture(scope="module")
def cascade(model_folder: Path) -> Cascade:
    """The tiny cascade with some attention to its prompt, which random weights hardly pay."""
    cascade = Cascade.from_pretrained(model_folder)
    for stage in cascade.stages:
        for name, parameter in stage.denoiser.named_parameters():
            if "cross_attention" in name or "conditioner.project" in name:
                parameter.mul_(5)
    return cascade


def test_masks_and_columns_of_a_batch(cascade: Cascade) -> None:
    texts = ["  a  cat and a rocket", "a tree", "a cat"]
    paintings = [
        Painting((Region(box(0, 0, 0.5, 1), "cat"), Region(box(0.5, 0, 1, 1), "rocket"))),
        None,
        Painting((Region(box(0, 0, 1, 1), span=(2, 5), weight=2.0),)),
    ]
    placements = [
        painting and place(t, painting) for t, painting in zip(texts, paintings, strict=True)
    ]
    tidy = [" ".join(text.split()) for text in texts]
    prompt = paint(make_prompt(cascade.encoders, tidy), cascade.encoders, tidy, placements)
    regions = prompt.regions
    assert isinstance(regions, Regions) and regions.masks.shape == (3, 2, 256, 256)
    assert regions.weight.tolist() == [[0.5, 0.5], [0, 0], [1.0, 0]]
    marked = [[row.nonzero().flatten().tolist() for row in rows] for rows in regions.columns["t5"]]
    assert marked == [[[2], [5]], [[], []], [[2], []]]  # one mark, then a word a token
    assert regions.masks[0, 0, :, :120].min() == 1 and regions.masks[0, 0, :, 136:].max() == 0


def test_one_form_for_a_batch(cascade: Cascade) -> None:
    region = Region(box(0, 0, 1, 1), "cat")
    paintings = [Painting((region,)), Painting((region,), form=RegionForm("std"))]
    with pytest.raises(UserError, match="same form"):
        cascade.stream(["a cat", "a red cat"], regions=paintings)
    with pytest.raises(UserError, match="3 paintings for 2 prompts"):
        cascade.stream(["a cat", "a red cat"], regions=[*paintings, None])


def test_a_phrase_behind_what_is_read(cascade: Cascade) -> None:
    text = "fox " * 130 + "cat"
    encoder = cascade.encoders["t5"]
    assert isinstance(encoder, TextEncoder)
    with pytest.warns(UserWarning), pytest.raises(UserError, match="'cat' stands behind"):
        cascade.stream(text, regions=Painting((Region(box(0, 0, 1, 1), "cat"),)))


def draw(cascade: Cascade, painting: Painting | None, **options: object) -> torch.Tensor:
    options = {"seeds": 3, "dtype": torch.float32} | options
    return cascade.generate(TEXT, regions=painting, **options)


STRONG = Painting(
    (Region(box(0, 0, 0.5, 1), "cat"), Region(box(0.4, 0.5, 1, 1), "rocket", negative="tree")),
    weight=5.0,
)


def test_pictures_of_a_painted_prompt(cascade: Cascade) -> None:
    plain = draw(cascade, None)
    painted = draw(cascade, STRONG)
    assert (painted - plain).abs().max() > 1e-3
    assert torch.equal(painted, draw(cascade, STRONG))
    tiled = draw(cascade, STRONG, tile=64)
    torch.testing.assert_close(tiled, painted, atol=1e-4, rtol=0)


@pytest.mark.parametrize("sampler", ["heun", "dpmpp_2m"])
def test_painted_pictures_do_not_depend_on_batch_mates(cascade: Cascade, sampler: str) -> None:
    options = {"sampler": sampler, "dtype": torch.float32, "stop_at": 64}
    other = Painting((Region(box(0, 0, 0.3, 0.3), "tree"),), weight=8.0)
    three = cascade.generate([TEXT] * 3, seeds=3, regions=[STRONG, None, other], **options)
    for number, painting in enumerate((STRONG, None, other)):
        alone = cascade.generate(TEXT, seeds=3 + number, regions=painting, **options)
        torch.testing.assert_close(three[number], alone[0], atol=1e-4, rtol=0)
    assert (three[0] - draw(cascade, None, sampler=sampler, stop_at=64)[0]).abs().max() > 1e-3


def test_sixteen_regions_and_tiny_ones(cascade: Cascade) -> None:
    grid = [(x / 4, y / 4, x / 4 + 0.14, y / 4 + 0.14) for x in range(4) for y in range(4)]
    words = ["cat", "rocket", "tree", "next"]
    regions = [Region(box(*place), words[i % 4], weight=1 + i) for i, place in enumerate(grid)]
    assert 0.015 < regions[0].mask.mean() < 0.025  # 2 % of the canvas
    images = draw(cascade, Painting(tuple(regions), weight=2.0), stop_at=64)
    assert images.isfinite().all() and images.std() > 0.01
