"""Prompts: which roles are kept; the cache: exact whatever came before."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from ediffi.core.errors import UserError
from ediffi.core.types import ROLES
from ediffi.encoders import CachedText, EncoderSpec, Style, TextEncoder, load_encoder, make_prompt


@pytest.fixture(scope="module")
def encoders(t5_folder: Path, clip_folder: Path) -> dict[str, object]:
    return {
        "t5": load_encoder(EncoderSpec(kind="text", source=str(t5_folder))),
        "clip_text": load_encoder(EncoderSpec(kind="clip_text", source=str(clip_folder))),
        "clip_image": load_encoder(EncoderSpec(kind="clip_image", source=str(clip_folder))),
    }


def test_roles_without_encoder_are_not_kept(encoders: dict[str, object]) -> None:
    prompt = make_prompt({"t5": encoders["t5"]}, ["a fox", "a cat"])  # type: ignore[dict-item]
    assert set(prompt.keep) == set(ROLES) and set(prompt.tokens) == {"t5"}
    assert {role: keep.tolist() for role, keep in prompt.keep.items()} == {
        "t5": [True, True],
        "clip_text": [False, False],
        "clip_image": [False, False],
    }


def test_all_roles(encoders: dict[str, object]) -> None:
    styles = [Style.of(Image.new("RGB", (28, 28), "red"))]
    prompt = make_prompt(encoders, ["a fox"], styles=styles)  # type: ignore[arg-type]
    assert all(keep.all() for keep in prompt.keep.values())
    no_picture = make_prompt(encoders, ["a fox"])  # type: ignore[arg-type]
    assert not no_picture.keep["clip_image"].any() and no_picture.keep["clip_text"].all()


def test_use(encoders: dict[str, object]) -> None:
    prompt = make_prompt(encoders, ["a fox"], use={"clip_text"})  # type: ignore[arg-type]
    assert [bool(prompt.keep[role]) for role in ROLES] == [False, True, False]
    with pytest.raises(UserError, match="unknown role 't6'"):
        make_prompt(encoders, ["a fox"], use={"t6"})  # type: ignore[arg-type]
    with pytest.raises(UserError, match="no clip_text encoder"):
        make_prompt({"t5": encoders["t5"]}, ["a fox"], use={"clip_text"})  # type: ignore[dict-item]


def test_cache_is_exact_in_any_order(t5_folder: Path) -> None:
    """What resume depends on: a caption's numbers do not depend on its batch or on the past."""
    encoder = TextEncoder.load(EncoderSpec(kind="text", source=str(t5_folder)))
    captions = ["fox " * (i % 30 + 1) + "cat" for i in range(40)]
    one, other = CachedText(encoder), CachedText(encoder)
    whole = one.encode(captions)
    for i in reversed(range(0, 40, 7)):
        part = other.encode(captions[i : i + 7])
        length = part.states.shape[1]
        assert torch.equal(part.states, whole.states[i : i + 7, :length])
        assert torch.equal(part.pooled, whole.pooled[i : i + 7])


def test_cache_agrees_with_the_encoder(t5_folder: Path) -> None:
    encoder = TextEncoder.load(EncoderSpec(kind="text", source=str(t5_folder)))
    captions = ["a red fox", "a cat next to a tree", "a red fox"]
    kept, direct = CachedText(encoder).encode(captions), encoder.encode(captions)
    assert torch.equal(kept.mask, direct.mask)
    torch.testing.assert_close(kept.states, direct.states, atol=2e-3, rtol=2e-3)


def test_cache_forgets_the_oldest(t5_folder: Path) -> None:
    cache = CachedText(
        TextEncoder.load(EncoderSpec(kind="text", source=str(t5_folder))), max_captions=3
    )
    for caption in ("a fox", "a cat", "a tree", "a rocket"):
        cache.encode([caption])
    assert len(cache) == 3
