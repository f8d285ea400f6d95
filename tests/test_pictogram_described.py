"""Captions: what they say is what is drawn, by the masks of their spans."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from ediffi.pictogram.backdrops import SCENERY, large_colours
from ediffi.pictogram.composer import Composer, SceneConfig
from ediffi.pictogram.grammar import NUMBERS, plural
from ediffi.pictogram.grid import MONOCHROME, Grid
from ediffi.pictogram.palette import BACKGROUNDS, MIN_INK_CONTRAST, contrast, main_colour
from ediffi.pictogram.recolour import turn_hue
from ediffi.pictogram.scene import Caption, Scene

COLOUR = ("noto", "emojione")


@pytest.fixture(scope="module")
def source(grid: Grid) -> Composer:
    return Composer(grid, SceneConfig(styles=COLOUR))


@pytest.fixture(scope="module")
def scenes(source: Composer) -> list[Scene]:
    return [source.scene(n) for n in range(600)]


def texts(caption: Caption, kind: str) -> list[tuple[str, tuple[int, ...]]]:
    return [(caption.text[s.start : s.end], s.parts) for s in caption.spans if s.kind == kind]


def test_masks_add_up_to_one_and_every_named_part_is_seen(
    source: Composer, scenes: list[Scene]
) -> None:
    for scene in scenes[:150]:
        masks = source.masks(scene, 64)
        assert masks.shape == (len(scene.parts), 64, 64)
        np.testing.assert_allclose(masks.sum(0), 1, atol=1e-5)
        for caption in scene.captions:
            for span in caption.spans:
                assert span.parts and 0 <= span.start < span.end <= len(caption.text)
                if span.kind == "thing":
                    assert all(masks[part].sum() > 15 for part in span.parts), scene


SHADED = {*SCENERY, "paper", "lined paper", "graph paper"}  # one word stands for many shades


def test_masks_explain_the_picture_of_one_colour_drawings_on_patterns(grid: Grid) -> None:
    """Every pixel is the mask-weighted sum of the colours that the captions name."""
    source = Composer(grid, SceneConfig(styles=MONOCHROME[:1], shadows=0.0, recoloured=0.5))
    explained = 0
    for n in range(120):
        scene = source.scene(n)
        inks = np.array([item.ink for item in scene.items], float)
        if scene.background.kind not in SHADED:
            palette = np.array([BACKGROUNDS[name] for name in scene.background.colours], float)
            colours = np.concatenate([inks, palette])
            expected = np.einsum("phw,pc->hwc", source.masks(scene, 64), colours)
            assert np.abs(expected - source.render(scene, 64)).max() <= 2.5, scene
            explained += 1
        for ink in inks:
            behind = large_colours(scene.background)
            assert all(contrast(tuple(ink), b) >= MIN_INK_CONTRAST for b in behind)
    assert explained > 40


def test_colour_words_are_true_of_what_they_name(source: Composer, scenes: list[Scene]) -> None:
    told, turned = 0, 0
    for scene in scenes[:300]:
        said = [pair for caption in scene.captions for pair in texts(caption, "colour")]
        for word, parts in dict.fromkeys(said):
            if parts[0] >= len(scene.items):
                place = parts[0] - len(scene.items)
                assert word == scene.background.colours[place]
                continue
            item = scene.items[parts[0]]
            sprite = source.sprites.small(source.grid.cells[item.hexcode, item.style])
            assert main_colour(turn_hue(sprite, item.hue)) == word
            told, turned = told + 1, turned + (item.hue != 0)
        for number, item in enumerate(scene.items):
            if item.hue:  # then every caption says so
                for caption in scene.captions:
                    assert any(number in parts for _, parts in texts(caption, "colour")), caption
    assert told > 60 and turned > 40


def middle(masks: NDArray[np.float32], parts: tuple[int, ...]) -> tuple[float, float]:
    """Centre of mass (x, y) of what a phrase names, in pixels."""
    mask = masks[list(parts)].sum(0)
    ys, xs = np.mgrid[: mask.shape[0], : mask.shape[1]]
    return float((xs * mask).sum() / mask.sum()), float((ys * mask).sum() / mask.sum())


RELATIONS = {  # words between two phrases: what the first's centre minus the second's must be
    " to the left of ": lambda x, y: x < -3,
    " to the right of ": lambda x, y: x > 3,
    " above ": lambda x, y: y < -2,
    " below ": lambda x, y: y > 2,
    " under ": lambda x, y: y > 2,
}


def test_relations_hold_between_the_masks_of_the_phrases(
    source: Composer, scenes: list[Scene]
) -> None:
    told = dict.fromkeys(RELATIONS, 0)
    for scene in scenes:
        if scene.layout not in ("beside", "stacked"):
            continue
        masks = source.masks(scene, 48)[: len(scene.items)]
        for caption in scene.captions:
            things = [s for s in caption.spans if s.kind == "thing"]
            for first, second in pairwise(things):
                between = caption.text[first.end : second.start]
                for words, holds in RELATIONS.items():
                    if between.startswith(words) and len(between) < len(words) + 20:
                        (ax, ay), (bx, by) = (middle(masks, s.parts) for s in (first, second))
                        assert holds(ax - bx, ay - by), (caption.text, scene.items)
                        told[words] += 1
    assert min(told.values()) >= 3, told


def test_what_stands_in_front_covers_what_is_behind(grid: Grid) -> None:
    source = Composer(grid, SceneConfig(styles=COLOUR, mix=(0, 1, 0), counted=0, in_front=1.0))
    overlaps, told = 0, 0
    for n in range(60):
        scene = source.scene(n)
        assert scene.layout == "front"
        alone = Scene(0, "front", scene.background, scene.items[:1])
        hidden = (source.masks(alone, 64)[0] - source.masks(scene, 64)[0]).sum()
        overlaps += bool(hidden > 20)
        for caption in scene.captions:
            front, behind = " in front of ", " behind "
            first, second = (p for _, p in texts(caption, "thing")[:2])
            between = caption.text.split(". ")[0]
            if front in between and len(texts(caption, "thing")) >= 2 and behind not in between:
                told += first == (1,) and second == (0,)
    assert overlaps > 54 and told > 10


def test_counts_say_how_many_there_are(source: Composer, scenes: list[Scene]) -> None:
    told = set()
    for scene in scenes:
        for caption in scene.captions:
            for word, parts in texts(caption, "count"):
                count = 1 if word in ("one", "a single") else NUMBERS.index(word)
                assert count == len(parts)
                assert len({scene.items[p].hexcode for p in parts}) == 1
                told.add(count)
    assert told == {1, 2, 3, 4}


def test_size_words_go_with_the_sizes(source: Composer, scenes: list[Scene]) -> None:
    small, told = {"small", "little", "tiny"}, set()
    for scene in scenes:
        sides = [max(item.box[2:]) for item in scene.items]
        for caption in scene.captions:
            for word, parts in texts(caption, "size"):
                side = np.mean([sides[p] for p in parts])
                others = [s for p, s in enumerate(sides) if p not in parts]
                against = np.mean(others) if others else 0.6
                assert (side < against) == (word in small), caption
                told.add(word)
    assert {"big", "small", "tiny", "large"} <= told


def test_captions_read_well_and_vary(source: Composer, scenes: list[Scene]) -> None:
    lengths, seen = [], set()
    for scene in scenes:
        assert len(scene.captions) == 3
        for caption in scene.captions:
            text = caption.text
            lengths.append(len(text.split()))
            seen.add(text)
            assert 5 <= lengths[-1] <= 60, text
            assert text == " ".join(text.split()) and text[-1] not in " ,." and " ," not in text
            for bad in (" a a", " an an", " a orange", " an blue", "there is two", "{"):
                assert bad not in f" {text}", text
            for words, parts in texts(caption, "thing"):
                labels = source.words[scene.items[parts[0]].hexcode]
                bare = {word.split()[-1] for word in labels} | {
                    plural(w).split()[-1] for w in labels
                }
                assert words.split()[-1] in bare, text
            for _, parts in texts(caption, "stuff"):
                assert all(len(scene.items) <= p < len(scene.parts) for p in parts)
    assert min(lengths) == 5 and max(lengths) > 45 and len(seen) > 1700
    assert sum(length > 25 for length in lengths) > 150
