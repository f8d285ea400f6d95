"""What a request means for a model is known from its configuration alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ediffi.core.errors import UserError
from ediffi.encoders import Style
from ediffi.model import ModelConfig, ModelFolder, Plan, Request
from ediffi.model.plan import plan
from ediffi.paint import Painting, Region

RED = Image.new("RGB", (28, 28), "red")
LEFT = Painting((Region(np.ones((8, 8), bool), "fox"),))


@pytest.fixture(scope="module")
def config(model_folder: Path) -> ModelConfig:
    """The tiny model's, with styles and backgrounds that seeds may choose."""
    looks = {"flat": ("in flat style",), "noto": ("in noto style",)}
    changes = {"looks": looks, "spread": ("flat", "noto"), "grounds": ("on a red background",)}
    return ModelFolder(model_folder).config.model_copy(update=changes)


def planned(config: ModelConfig, **fields: object) -> Plan:
    return plan(Request.of(**fields), config, ("t5", "clip_text", "clip_image"))


def test_every_picture_has_its_subject_and_seed(config: ModelConfig) -> None:
    both = planned(config, prompts=[" a  red fox", "a cat"], seeds=4, num_images=2, looks=False)
    assert both.seeds == (4, 5, 6, 7) and both.roles == ("t5", "clip_text")
    fox, again, cat, _ = both.subjects
    assert fox is again and (fox.prompt, fox.text) == (" a  red fox", "a red fox")
    assert cat.text == "a cat" and cat.style is None and cat.placement is None
    assert planned(config, prompts=["a", "b"], seeds=[9, 3]).seeds == (9, 3)


def test_seeds_choose_looks_unless_told(config: ModelConfig) -> None:
    texts = [s.text for s in planned(config, prompts="a red fox", num_images=3).subjects]
    assert texts[:2] == [
        "a red fox, in flat style, on a red background",
        "a red fox, in noto style, on a red background",
    ]
    assert texts[2] == texts[0]
    told = "a red fox in flat style on a blue background"
    assert {s.text for s in planned(config, prompts=told, num_images=3).subjects} == {told}


def test_variations_have_no_text(config: ModelConfig) -> None:
    varied = planned(config, style=[RED, Style.of(RED)], num_images=2)
    assert varied.roles == ("clip_image",) and len(varied) == 4
    assert all(s.text is None and s.style is not None for s in varied.subjects)
    assert varied.subjects[0] is varied.subjects[1] is not varied.subjects[2]


def test_stages_and_how(config: ModelConfig) -> None:
    two = planned(config, prompts="a", stop_at=64, num_steps=[3, 2], guidance_scale=2, tile=32)
    (base, how), (upper, upper_how) = two.stages
    assert (base.name, how.num_steps, how.guidance_scale, how.tile) == ("base", 3, 2.0, None)
    assert (upper.name, upper_how.num_steps, upper_how.guidance_scale) == ("sr256", 2, 1.0)
    assert upper_how.tile == 32 and two.low_res is None
    half_way = planned(config, prompts="a", start_from=Image.new("RGB", (32, 16), "red"))
    assert [stage.name for stage, _ in half_way.stages] == ["sr256", "sr1024"]
    assert half_way.low_res is not None and half_way.low_res.shape == (1, 3, 16, 16)
    assert "its middle square" in half_way.notes[0]


def test_notes_are_told_once_each(config: ModelConfig) -> None:
    fox, both = "a fox and a dragon", "a fox, a dragon and a castle"
    plan = planned(config, prompts=[fox, "a red fox", both, fox])
    assert len(plan.notes) == 2
    assert "'dragon'" in plan.notes[0] and "'dragon', 'castle'" in plan.notes[1]


def test_nothing_to_draw(config: ModelConfig) -> None:
    plan = planned(config, prompts=["a castle"])
    assert len(plan) == 1 and "nothing is known in 'a castle'" in plan.notes[0]
    with pytest.raises(UserError, match=r"nothing is known in 'a castle'.*--anyway"):
        planned(config, prompts=["a fox", "a castle"], anyway=False)
    with pytest.raises(UserError, match="nothing is known in '哲学'"):
        planned(config, prompts="哲学")  # no encoder reads it


def test_batches(config: ModelConfig) -> None:
    whole = planned(config, prompts=["a cat", "a tree"], num_images=3, looks=False)
    parts = list(whole.batches(4))
    assert [len(part) for part in parts] == [4, 2]
    assert [s for part in parts for s in part.seeds] == list(whole.seeds)
    assert parts[1].subjects == whole.subjects[4:] and parts[1].stages == whole.stages


def test_it_says_how_pictures_are_made(config: ModelConfig) -> None:
    said = planned(config, prompts="a", stop_at=16, dtype=torch.float32, sampler="heun").described()
    assert said["encoders"] == "t5, clip_text" and said["dtype"] == "fp32"
    (stage,) = said["stages"]
    assert (stage["stage"], stage["resolution"], stage["sampler"]) == ("base", 16, "heun")


def test_phrases_are_found_before_anything_is_read(config: ModelConfig) -> None:
    painted = planned(config, prompts=["a red fox", "a fox"], regions=LEFT, looks=True)
    spans = [s.placement.regions[0].span for s in painted.subjects if s.placement]
    assert spans == [(6, 9), (2, 5)]
    with pytest.raises(UserError, match="'fox' is not in the prompt"):
        planned(config, prompts=["a fox", "a cat"], regions=LEFT)


@pytest.mark.parametrize(
    ("prompt", "phrase", "negative"),
    [
        ("eine Katze neben einem Baum", "Katze", "Baum"),
        ("eine Katze neben einem Baum", "cat", "tree"),
        ("一只猫在树旁边", "猫", None),
        ("🐈", "🐈", None),
        ("a cat and no dogs next to a tree", "cat", "tree"),
    ],
)
def test_painted_phrases_are_understood_as_the_prompt_is(
    config: ModelConfig, prompt: str, phrase: str, negative: str | None
) -> None:
    mask = np.ones((8, 8), bool)
    painting = Painting((Region(mask, phrase, negative=negative),))
    (subject,) = planned(config, prompts=prompt, regions=painting, looks=False).subjects
    assert subject.text is not None and subject.placement is not None
    read = [subject.text[slice(*region.span)] for region in subject.placement.regions]
    assert read[0] in ("cat", "a cat") and read[1:] == ([] if negative is None else ["tree"])
    start = prompt.index(phrase) if phrase in prompt else -1
    if start >= 0:
        by_span = Painting((Region(mask, span=(start, start + len(phrase))),))
        (same,) = planned(config, prompts=prompt, regions=by_span, looks=False).subjects
        assert same.placement is not None
        assert same.placement.regions[0].span == subject.placement.regions[0].span


def test_what_is_left_out_cannot_be_painted(config: ModelConfig) -> None:
    painting = Painting((Region(np.ones((8, 8), bool), "dogs"),))
    with pytest.raises(UserError, match="'dogs' is nothing that is drawn: the prompt is read as"):
        planned(config, prompts="a cat and no dogs", regions=painting)
