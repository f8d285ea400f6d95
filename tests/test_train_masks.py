"""Training with masks: they are where the pictures are, they reach the weights, and off is off."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from test_train_loop import SCENES, config

from ediffi.core.types import Prompt, StageInput
from ediffi.encoders import CachedText, EncoderSpec, TextEncoder
from ediffi.model import FROM_SKETCH, SAMPLING
from ediffi.model.stage import Stage
from ediffi.networks import MARGIN, UNet
from ediffi.networks.layers import over, placed
from ediffi.pictogram.composer import Composer, SceneConfig
from ediffi.pictogram.grid import Grid
from ediffi.pictogram.palette import BACKGROUNDS
from ediffi.pictogram.scenes import Scenes
from ediffi.train.examples import Batch, Examples
from ediffi.train.export import stage_config
from ediffi.train.loop import train
from ediffi.train.masks import KINDS, NUM, SIDE, rough
from ediffi.train.state import TrainState

Encoders = dict[str, CachedText]
ON: dict[str, Any] = {"shown_masks": 0.5, "layout_loss": 0.02, "sketch_images": 0}


@pytest.fixture(scope="module")
def scenes(grid: Grid) -> Scenes:
    return Scenes(Composer(grid, SCENES))


@pytest.fixture(scope="module")
def text(bert_folder: Path) -> Encoders:
    spec = EncoderSpec(kind="text", source=str(bert_folder))
    return {"t5": CachedText(TextEncoder.load(spec))}


def test_phrases_are_where_the_picture_has_them(scenes: Scenes) -> None:
    for number in range(40):
        scene = scenes.composer.scene(number)
        phrases = scenes.phrases(number, 0, 64)
        assert [p.thing for p in phrases] == sorted((p.thing for p in phrases), reverse=True)
        assert sum(p.thing for p in phrases) == len(scene.items)
        for phrase in phrases:
            words = scene.caption[slice(*phrase.span)]
            if phrase.thing:
                assert any(item.label.split()[-1] in words for item in scene.items)
            elif scene.background.kind == "plain":
                there = scenes.pixels(number, 64)[phrase.mask == 1]
                assert len(there) and (there == BACKGROUNDS[scene.background.colours[0]]).all()


def test_full_scenes_have_phrases_for_every_caption(scenes: Scenes) -> None:
    full = Scenes(Composer(scenes.composer.grid, SceneConfig.full(styles=SCENES.styles)))
    kinds = set()
    for number in range(40):
        for caption, said in enumerate(full.captions(number)):
            for phrase in full.phrases(number, caption, 16):
                assert said[slice(*phrase.span)].strip() and phrase.mask.max() <= 1
                kinds.add(phrase.thing)
    assert kinds == {True, False}


def test_shown_masks_belong_to_the_words_and_to_the_image_alone(
    scenes: Scenes, text: Encoders
) -> None:
    one = Examples(config(**ON, batch_size=32), scenes, text).batch(0)
    regions, things = one.cond.prompt.regions, one.cond.things
    assert regions is not None and things is not None
    assert regions.masks.shape == (32, NUM, SIDE, SIDE)
    painted = (regions.weight > 0).any(1)
    assert 8 < int(painted.sum()) < 24
    assert ((regions.weight == 0) | ((regions.weight >= 0.1) & (regions.weight <= 1))).all()
    assert not regions.masks[regions.weight == 0].any()
    kept = one.cond.prompt.keep["t5"]
    named = things.columns["t5"].any(-1)
    assert torch.equal(named[kept], things.there[kept]) and not named[~kept].any()
    # the same pictures in other company
    other = Examples(config(**ON, batch_size=4), scenes, text).batch(8)
    theirs = other.cond.prompt.regions
    assert theirs is not None
    assert torch.equal(theirs.masks, regions.masks[8:12])
    assert torch.equal(theirs.weight, regions.weight[8:12])
    length = min(theirs.columns["t5"].shape[2], regions.columns["t5"].shape[2])
    assert torch.equal(theirs.columns["t5"][..., :length], regions.columns["t5"][8:12, :, :length])


def test_things_put_where_they_are_make_the_picture(scenes: Scenes, text: Encoders) -> None:
    """Drawings by themselves, placed in their boxes of the background, are the rendered picture."""
    shape = config(**ON).network.model_copy(update={"drawing": (40, 32)})
    examples = Examples(config(**ON, network=shape, batch_size=32), scenes, text)
    batch, errors = examples.batch(0), []
    things = batch.cond.things
    assert things is not None
    for number, clean in enumerate(batch.clean):
        scene = scenes.composer.scene(number % examples.config.num_scenes)
        if scene.background.kind != "plain":
            continue
        plain = torch.tensor(BACKGROUNDS[scene.background.colours[0]]).view(1, 3, 1, 1) / 127.5 - 1
        row = slice(number, number + 1)
        drawings = things.drawings[row] * things.there[row][:, :, None, None, None]
        layers = placed(drawings, things.boxes[row], clean.shape[-1], margin=MARGIN)
        errors.append(float((over(plain, layers)[0] - clean).square().mean().sqrt()))
        assert float((plain[0] - clean).square().mean().sqrt()) > 4 * errors[-1]
    assert len(errors) > 8 and max(errors) < 0.15


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


def test_without_masks_nothing_changes(scenes: Scenes, text: Encoders) -> None:
    """Examples without masks; and weights that are the same whether masks of weight 0 are there."""
    plain = Examples(config(sketch_images=0), scenes, text)
    assert plain.masks is None and plain.batch(0).cond.prompt.regions is None
    seldom = Examples(config(**ON | {"shown_masks": 1e-12, "layout_loss": 0.0}), scenes, text)
    assert seldom.batch(0).cond.prompt.regions is not None
    weights = []
    for examples in (plain, seldom):
        state = TrainState(config(sketch_images=0))
        for start in (0, 4, 8):
            batch = examples.batch(start)
            state.step(replace(batch, cond=replace(batch.cond, things=None)))
        weights.append(state.parameters)
    heard = [name for name in weights[0] if ".fit." not in name]  # of painted boxes: weight decay
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in heard)


def awake(state: TrainState) -> TrainState:
    """A fresh network's attention writes nothing: let it."""
    chance = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in state.parameters.values():
            if not parameter.any():
                parameter.copy_(0.1 * torch.randn(parameter.shape, generator=chance))
    return state


def drawings(state: TrainState, batch: Batch) -> torch.Tensor:
    with torch.no_grad():
        return state.denoiser(batch.clean + batch.noise, batch.sigma, batch.cond)


def test_masks_are_seen_by_their_own_pictures_alone(scenes: Scenes, text: Encoders) -> None:
    settings = config(**ON | {"batch_size": 8, "dropout": {"t5": 0.0}})
    examples, state = Examples(settings, scenes, text), awake(TrainState(settings))
    blind = Examples(settings.model_copy(update={"shown_masks": 0.0}), scenes, text)
    batch, without = examples.batch(0), blind.batch(0)
    assert batch.cond.prompt.regions is not None and without.cond.prompt.regions is None
    painted = (batch.cond.prompt.regions.weight > 0).any(1)
    changed = (drawings(state, batch) - drawings(state, without)).abs().flatten(1).amax(1) > 1e-6
    assert torch.equal(changed, painted) and 0 < int(painted.sum()) < 8


def test_things_are_told_in_the_order_of_the_words_and_counted(grid: Grid, text: Encoders) -> None:
    full = SceneConfig.full(styles=SCENES.styles, mix=(0.1, 0.3, 0.3, 0.3), counted=0.5)
    counted = Scenes(Composer(grid, full))
    examples = Examples(config(scenes=full, batch_size=64, num_scenes=64, **ON), counted, text)
    things = examples.batch(0).cond.things
    assert things is not None
    several = 0
    for number in range(64):
        scene = counted.composer.scene(number)
        boxes = things.boxes[number][things.there[number]]
        assert len(boxes) <= len(scene.items)
        for box in boxes:
            assert any(torch.allclose(box, torch.tensor(item.box)) for item in scene.items)
        tokens = things.columns["t5"][number]
        starts = [int(row.float().argmax()) for row in tokens if row.any()]
        assert starts == sorted(starts)
        several += len(starts) > len(set(starts))  # "three cats": three boxes, the same words
    assert several > 3


def test_layers_learn_where_things_are(scenes: Scenes, text: Encoders) -> None:
    settings = config(
        **ON | {"batch_size": 8, "sketch_images": 8, "dropout": {"t5": 0.0}, "shown_masks": 0.0}
    )
    examples, state = Examples(settings, scenes, text), TrainState(settings)
    batch = examples.batch(0)
    losses = state._losses(batch)
    assert losses.layout is not None and len(losses.layout) == 8
    losses.layout.mean().backward()
    touched = {n for n, p in state.parameters.items() if p.grad is not None and p.grad.any()}
    assert "sketch.place.weight" in touched and "sketch.reading.query.weight" in touched
    assert not any(name.startswith("up.") for name in touched)
    state.optimizer.zero_grad()
    # with nothing else to learn it falls
    means = []
    for _ in range(30):
        layout = state._losses(examples.batch(0)).layout
        assert layout is not None
        layout.mean().backward()
        state.optimizer.step()
        state.optimizer.zero_grad()
        means.append(float(layout.mean().detach()))
    assert means[-1] < 0.8 * means[0]


def test_stopped_with_masks_the_weights_are_the_same(
    scenes: Scenes, text: Encoders, tmp_path: Path
) -> None:
    settings = config(**ON | {"sketch_images": 24, "num_images": 32})
    *_, whole = train(settings, tmp_path / "whole", scenes, text)
    for tick in train(settings, tmp_path / "resumed", scenes, text):
        if tick.state.images == 24:
            break  # back to 16
    other = Scenes(Composer(scenes.composer.grid, SCENES))
    rows = []
    for tick in train(settings, tmp_path / "resumed", other, text):
        rows += [tick.row] if tick.row else []
        again = tick.state
    assert rows[-1]["layout_loss"] > 0 and again.images == 32
    assert all(torch.equal(p, again.parameters[n]) for n, p in whole.state.parameters.items())


def test_a_base_that_knows_where_things_are_is_sampled_from_its_sketch(
    scenes: Scenes, text: Encoders
) -> None:
    placed, blind = (TrainState(config(**ON | {"layout_loss": w})) for w in (0.1, 0.0))
    assert stage_config(placed).sampling == FROM_SKETCH
    assert stage_config(blind).sampling == SAMPLING["base"]
    stage = Stage(stage_config(placed), awake(placed).averaged())
    prompt = Prompt({"t5": text["t5"].encode(["a fox"])}, {"t5": torch.ones(1).bool()})
    barely = FROM_SKETCH.model_copy(update={"sigma_max": 0.002, "sigma_min": 0.001, "num_steps": 1})
    steps = stage.sample(prompt, [0], sampling=barely, dtype=torch.float32)
    try:
        while True:
            next(steps)
    except StopIteration as done:
        drawn = done.value
    network = stage.denoiser.network
    assert isinstance(network, UNet)
    with torch.no_grad():
        sketch = network.known(StageInput(prompt), (64, 64))
    assert drawn.shape[-1] == 64
    torch.testing.assert_close(drawn, sketch.clamp(-1, 1), atol=0.05, rtol=0)
