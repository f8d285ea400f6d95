"""Training with masks: they are where the pictures are, they reach the weights, off is off."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.networks import awake
from helpers.training import SCENES, bert_text, config, equal, scenes_of

from ediffi.pictogram.composer import SceneConfig
from ediffi.pictogram.grid import Grid
from ediffi.pictogram.palette import BACKGROUNDS
from ediffi.pictogram.scenes import Scenes
from ediffi.train.examples import Examples
from ediffi.train.masks import KINDS, NUM, SIDE, paintings, rough
from ediffi.train.state import stage_state

ON = {"data.shown_masks": 0.5, "data.dropout": {"t5": 0.2}}


@pytest.fixture(scope="module")
def scenes(grid: Grid) -> Scenes:
    return scenes_of(grid)


@pytest.fixture(scope="module")
def text(bert_folder: Path) -> dict[str, Any]:
    return bert_text(bert_folder)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kept")


def test_phrases_are_where_the_picture_has_them(grid: Grid) -> None:
    plain = SceneConfig(styles=SCENES.styles, counted=0, shadows=0, in_front=0, backdrops=0)
    scenes = scenes_of(grid, plain)
    for number in range(40):
        scene, said = scenes.composer.scene(number), scenes.captions(number)[0]
        phrases = scenes.phrases(number, 0, 64)
        assert [p.thing for p in phrases] == sorted((p.thing for p in phrases), reverse=True)
        assert any(p.thing for p in phrases)
        for phrase in phrases:
            assert said[slice(*phrase.span)].strip() and phrase.mask.max() <= 1
            if not phrase.thing and scene.background.kind == "plain":
                there = scenes.pixels(number, 64)[phrase.mask == 1]
                assert len(there) and (there == BACKGROUNDS[scene.background.colours[0]]).all()
            for x, y, width, height in phrase.boxes:  # a thing is inside of its box
                rows, columns = np.nonzero(phrase.mask > 0.5)
                middle = round(64 * (y + height / 2)), round(64 * (x + width / 2))
                assert rows.min() <= middle[0] <= rows.max()
                assert columns.min() <= middle[1] <= columns.max()


def test_full_scenes_have_phrases_for_every_caption(grid: Grid) -> None:
    full, kinds = scenes_of(grid, SceneConfig(styles=SCENES.styles)), set()
    for number in range(40):
        for caption, said in enumerate(full.captions(number)):
            for phrase in full.phrases(number, caption, 16):
                assert said[slice(*phrase.span)].strip() and phrase.mask.max() <= 1
                kinds.add(phrase.thing)
    assert kinds == {True, False}


def test_kept_masks_are_those_of_the_phrases_and_marks_are_their_words(
    scenes: Scenes, text: Any, kept: Path
) -> None:
    examples = Examples(config(changes=ON), scenes, text, folder=kept)
    for number in range(16):
        for n, caption in enumerate(examples.kept[number].captions):
            phrases = scenes.phrases(number, n, SIDE)[:NUM]
            assert caption.things == tuple(phrase.thing for phrase in phrases)
            for row, phrase in enumerate(phrases):
                expected = np.rint(255 * phrase.mask).astype(np.uint8)
                assert np.array_equal(caption.masks[row], expected)
                said = scenes.captions(number)[n]
                tokens = text["t5"].offsets(said)
                marked = [i for i, bits in enumerate(caption.marks["t5"]) if bits >> row & 1]
                inside = [said[slice(*tokens[i])] for i in marked]
                assert inside and all(word in said[slice(*phrase.span)] for word in inside)
            assert not caption.masks[len(phrases) :].any()


def test_shown_masks_belong_to_the_words_and_to_the_image_alone(
    scenes: Scenes, text: Any, kept: Path
) -> None:
    many, few = (config(changes=ON | {"schedule.batch_size": n}) for n in (32, 4))
    one = Examples(many, scenes, text, folder=kept).batch(0)
    regions, heard = one.cond.prompt.regions, one.cond.prompt.keep["t5"]
    assert regions is not None and regions.masks.shape == (32, NUM, SIDE, SIDE)
    painted = (regions.weight > 0).any(1)
    assert 8 < int(painted.sum()) < 24
    assert ((regions.weight == 0) | ((regions.weight >= 0.1) & (regions.weight <= 1))).all()
    assert not regions.masks[regions.weight == 0].any()
    named = regions.columns["t5"].any(-1)
    assert named[heard].any(1).all() and not named[~heard].any() and not heard.all()
    # the same pictures in other company
    theirs = Examples(few, scenes, text, folder=kept).batch(8).cond.prompt.regions
    assert theirs is not None
    assert torch.equal(theirs.masks, regions.masks[8:12])
    assert torch.equal(theirs.weight, regions.weight[8:12])
    length = min(theirs.columns["t5"].shape[2], regions.columns["t5"].shape[2])
    assert torch.equal(theirs.columns["t5"][..., :length], regions.columns["t5"][8:12, :, :length])


@pytest.mark.parametrize("kind", KINDS)
def test_rough_masks_stay_near_the_thing(kind: str) -> None:
    exact = np.zeros((SIDE, SIDE), np.uint8)
    exact[8:20, 10:22] = 255
    exact[8:12, 10:14] = 0
    drawn = [rough(exact, kind, random.Random(seed)) for seed in range(20)]
    for mask in drawn:
        assert mask.shape == exact.shape and mask.dtype == np.uint8
        assert (mask[exact > 0] > 0).mean() > 0.2  # most of a scribble is paper
        assert not mask[:4].any() and not mask[25:].any()
    different = len({mask.tobytes() for mask in drawn})
    assert different == 1 if kind == "exact" else different > 10


def test_how_often_what_is_painted() -> None:
    masks = np.full((NUM, SIDE, SIDE), 255, np.uint8)
    shown = [paintings(masks, (True, False), seed, 0.5)[1] for seed in range(2000)]
    some = [weights for weights in shown if any(weights)]
    assert len(some) / 2000 == pytest.approx(0.5 * (1 - 0.15 * 0.7), abs=0.04)
    assert all(0.1 <= w <= 1 for weights in some for w in weights if w)
    assert not any(any(weights[2:]) for weights in shown)
    assert not any(any(paintings(masks, (True,), seed, 0.0)[1]) for seed in range(100))


def test_masks_of_weight_0_teach_what_no_masks_teach(scenes: Scenes, text: Any, kept: Path) -> None:
    weights = []
    for share in (0.0, 1e-12):
        settings = config(changes={"data.shown_masks": share})
        examples, state = Examples(settings, scenes, text, folder=kept), stage_state(settings)
        assert (examples.batch(0).cond.prompt.regions is None) == (share == 0)
        for start in (0, 4, 8):
            state.step(examples.batch(start))
        weights.append(state.model.state_dict())
    assert equal(*weights)


def test_masks_are_seen_by_their_own_pictures_alone(scenes: Scenes, text: Any, kept: Path) -> None:
    alike = {"schedule.batch_size": 8, "data.dropout": {"t5": 0.0}}
    settings = config(changes=ON | alike)
    model = awake(stage_state(settings).model, 0.3)
    seeing, blind = (
        Examples(config(changes=ON | alike | change), scenes, text, folder=kept).batch(0)
        for change in ({}, {"data.shown_masks": 0.0})
    )
    assert seeing.cond.prompt.regions is not None and blind.cond.prompt.regions is None
    with torch.no_grad():
        a, b = (model(x.clean + x.noise, x.sigma, x.cond) for x in (seeing, blind))
    painted = (seeing.cond.prompt.regions.weight > 0).any(1)
    changed = (a - b).abs().flatten(1).amax(1) > 1e-6
    assert torch.equal(changed, painted) and 0 < int(painted.sum()) < 8
