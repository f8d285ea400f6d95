"""Examples: pure functions of their index, dropped and told as the recipe says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.training import bert_text, config, scenes_of
from torch import Tensor

from ediffi.pictogram.grid import Grid
from ediffi.pictogram.scenes import Scenes
from ediffi.train.examples import Examples, measure_sigma_data
from ediffi.train.objective import Batch


@pytest.fixture(scope="module")
def scenes(grid: Grid) -> Scenes:
    return scenes_of(grid)


@pytest.fixture(scope="module")
def text(bert_folder: Path) -> dict[str, Any]:
    return bert_text(bert_folder)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tests of this file find each other's examples."""
    return tmp_path_factory.mktemp("kept")


def tensors(batch: Batch) -> Iterator[Tensor]:
    """All of a batch's, tokens without their padding."""
    yield from (batch.clean, batch.noise, batch.sigma, batch.uniforms)
    cond = batch.cond
    yield from (t for t in (cond.low_res, cond.augmentation) if t is not None)
    yield from cond.prompt.keep.values()
    for tokens in cond.prompt.tokens.values():
        yield tokens.pooled
        yield (tokens.states * tokens.mask[..., None]).sum(1)
    if cond.prompt.regions is not None:
        yield from (cond.prompt.regions.masks, cond.prompt.regions.weight)


@pytest.mark.parametrize("stage", ["base", "sr256"])
def test_an_example_is_a_function_of_its_index(
    stage: str, scenes: Scenes, text: Any, kept: Path
) -> None:
    masks = {"data.shown_masks": 0.5 if stage == "base" else 0.0}
    four, two = (config(stage, masks | {"schedule.batch_size": n}) for n in (4, 2))
    one = Examples(four, scenes, text, folder=kept).batch(8)
    other = Examples(two, scenes, text, folder=kept).batch(10)
    for a, b in zip(tensors(one), tensors(other), strict=True):
        torch.testing.assert_close(a[2:], b, atol=1e-5, rtol=0)
    assert torch.equal(one.clean[2:], other.clean) and torch.equal(one.noise[2:], other.noise)


@pytest.mark.parametrize("world", [2, 3])
def test_the_parts_of_all_ranks_are_the_batch(
    world: int, scenes: Scenes, text: Any, kept: Path
) -> None:
    settings = config(changes={"schedule.batch_size": 6, "data.shown_masks": 0.5})
    examples = Examples(settings, scenes, text, folder=kept)
    whole = examples.batch(12)
    parts = [examples.batch(12, rank=rank, world=world) for rank in range(world)]
    assert [len(part.cond) for part in parts] == [6 // world] * world
    for rank, part in enumerate(parts):
        for a, b in zip(tensors(whole), tensors(part), strict=True):
            torch.testing.assert_close(a[rank::world], b, atol=1e-5, rtol=0)


def test_each_epoch_shows_every_picture_once_in_an_order_of_its_own(
    scenes: Scenes, text: Any, kept: Path
) -> None:
    settings = config(changes={"schedule.batch_size": 16})
    examples = Examples(settings, scenes, text, folder=kept)
    epochs = [examples.batch(start) for start in (0, 16, 32)]
    orders = []
    for batch in epochs:
        rows = [[torch.equal(a, b) for b in epochs[0].clean] for a in batch.clean]
        orders.append([row.index(True) for row in rows])
    assert orders[0] == sorted(orders[1]) == sorted(orders[2]) == [*range(16)]
    assert len({tuple(order) for order in orders}) == 3
    assert not torch.equal(epochs[0].noise, epochs[1].noise)
    again = Examples(settings, scenes, text, folder=kept).batch(16)
    assert torch.equal(again.clean, epochs[1].clean)


def test_captions_written_otherwise_are_other_examples(
    scenes: Scenes, text: Any, tmp_path: Path
) -> None:
    class Reworded(Scenes):
        def captions(self, index: int) -> Sequence[str]:
            return [f"a drawing of {said}" for said in super().captions(index)]

    for collection in (scenes, Reworded(scenes.composer), scenes):
        Examples(config(), collection, text, folder=tmp_path).batch(0)
    assert len(list(tmp_path.iterdir())) == 2


def test_runs_that_differ_in_what_is_not_kept_share_what_is(
    scenes: Scenes, text: Any, tmp_path: Path
) -> None:
    for changes in ({}, {"optimiser.learning_rate": 0.5, "noise.leak": 0.1}, {"part": "prior"}):
        Examples(config("sr256", changes), scenes, text, folder=tmp_path).batch(0)
    assert len(list(tmp_path.iterdir())) == 1
    for changes in ({"seed": 1}, {"data.num_pictures": 8}, {"data.fingerprint": "other"}):
        Examples(config("sr256", changes), scenes, text, folder=tmp_path).batch(0)
    assert len(list(tmp_path.iterdir())) == 4


def test_dropout_rate(scenes: Scenes, text: Any, kept: Path) -> None:
    settings = config(changes={"schedule.batch_size": 400, "data.dropout": {"t5": 0.25}})
    keep = Examples(settings, scenes, text, folder=kept).batch(0).cond.prompt.keep
    assert 0.68 < float(keep["t5"].float().mean()) < 0.82
    assert not keep["clip_text"].any() and not keep["clip_image"].any()


def test_measured_sigma_data(scenes: Scenes, text: Any, kept: Path) -> None:
    examples = Examples(config(), scenes, text, folder=kept)
    pictures = torch.stack([examples.kept[n].pixels for n in range(16)]).float() / 127.5 - 1
    assert measure_sigma_data(examples, 16) == pytest.approx(float(pictures.std()), rel=0.05)
