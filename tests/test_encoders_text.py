"""Encoders: shapes, masks, truncation, pinned weights, the two towers of CLIP."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image

from ediffi.core.errors import Notice, UserError
from ediffi.encoders import DEFAULT_TEXT, EncoderSpec, check_prompt, load_encoder
from ediffi.encoders.spec import resolve, weights_hash


def text_spec(folder: Path, **changes: object) -> EncoderSpec:
    return EncoderSpec(kind="text", source=str(folder), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["t5_folder", "bert_folder"])
def test_states_mask_and_pooled(kind: str, request: pytest.FixtureRequest) -> None:
    encoder = load_encoder(text_spec(request.getfixturevalue(kind)))
    tokens = encoder.encode(["a red fox", "a cat next to a tree"])
    assert encoder.width == 32
    assert tokens.states.shape == (2, 8, 32) and tokens.states.dtype == torch.float32
    assert tokens.mask.sum(1).tolist() == [5, 8]  # words and two marks
    assert not tokens.states[0, 5:].any()
    torch.testing.assert_close(tokens.pooled[0], tokens.states[0, :5].mean(0))


def test_padding_changes_nothing(t5_folder: Path) -> None:
    encoder = load_encoder(text_spec(t5_folder))
    alone = encoder.encode(["a red fox"])
    beside = encoder.encode(["a red fox", "a cat next to a tree and a rocket"])
    torch.testing.assert_close(beside.states[:1, :5], alone.states, atol=1e-5, rtol=0)


def test_words_matter(t5_folder: Path) -> None:
    tokens = load_encoder(text_spec(t5_folder)).encode(["a red fox", "a blue fox"])
    assert (tokens.pooled[0] - tokens.pooled[1]).abs().max() > 1e-3


def test_long_prompts_are_cut_with_a_notice(t5_folder: Path) -> None:
    encoder = load_encoder(text_spec(t5_folder))
    assert encoder.encode(["fox " * 94]).states.shape[1] == 96  # at least 96 are read
    with pytest.warns(Notice, match="202 tokens.*first 128"):
        assert encoder.encode(["fox " * 200]).states.shape[1] == 128


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "empty"),
        (" \n\t", "empty"),
        ("x" * 10_001, "10,001 characters"),
        ("a\udcff", "Unicode"),
    ],
)
def test_bad_prompts(text: str, complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        check_prompt(text)


def test_white_space_is_tidied() -> None:
    assert check_prompt("  a red\n fox ") == "a red fox"


def test_default_encoder_is_installed_and_pinned() -> None:
    folder = resolve(DEFAULT_TEXT)
    assert weights_hash(folder) == DEFAULT_TEXT.sha256


def test_other_weights_are_refused(t5_folder: Path) -> None:
    found = weights_hash(t5_folder)
    with pytest.raises(UserError, match=f"{found}, expected {'0' * 64}"):
        load_encoder(text_spec(t5_folder, sha256="0" * 64))


def test_damaged_weights_are_a_user_error(t5_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "encoder"
    shutil.copytree(t5_folder, folder)
    os.truncate(folder / "model.safetensors", 1000)
    with pytest.raises((UserError, Exception)) as caught:
        load_encoder(text_spec(folder))
    assert isinstance(caught.value, UserError) and str(folder) in str(caught.value)


def test_places_an_encoder_is_looked_for(
    t5_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = EncoderSpec(kind="text", source="somebody/encoder")
    with pytest.raises(UserError, match=r"somebody/encoder.*EDIFFI_ENCODERS"):
        resolve(spec)
    shutil.copytree(t5_folder, tmp_path / "encoder")
    monkeypatch.setenv("EDIFFI_ENCODERS", str(tmp_path))
    assert resolve(spec) == tmp_path / "encoder"
    inside = EncoderSpec(kind="text", source="encoder")
    assert resolve(inside, root=tmp_path) == tmp_path / "encoder"


def test_clip_text(clip_folder: Path) -> None:
    encoder = load_encoder(EncoderSpec(kind="clip_text", source=str(clip_folder)))
    tokens = encoder.encode(["a red fox", "a cat next to a tree"])
    assert tokens.states.shape == (2, 8, 32)
    assert tokens.pooled.shape == (2, 24)
    alone = encoder.encode(["a red fox"])
    torch.testing.assert_close(tokens.pooled[:1], alone.pooled, atol=1e-5, rtol=0)
    with pytest.warns(Notice, match="first 77"):
        assert encoder.encode(["fox " * 100]).states.shape[1] == 77


def test_clip_text_tower_alone(clip_folder: Path, tmp_path: Path) -> None:
    from transformers import AutoTokenizer, CLIPTextModel

    CLIPTextModel.from_pretrained(clip_folder).save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(clip_folder).save_pretrained(tmp_path)
    whole = load_encoder(EncoderSpec(kind="clip_text", source=str(clip_folder)))
    tower = load_encoder(EncoderSpec(kind="clip_text", source=str(tmp_path)))
    tokens = tower.encode(["a red fox"])
    torch.testing.assert_close(tokens.states, whole.encode(["a red fox"]).states)
    assert tokens.pooled.shape == (1, 32)  # no joint space: the end token's state


def test_clip_image(clip_folder: Path) -> None:
    encoder = load_encoder(EncoderSpec(kind="clip_image", source=str(clip_folder)))
    red, blue = Image.new("RGB", (40, 30), "red"), Image.new("RGB", (28, 28), "blue")
    tokens = encoder.encode([red, blue])  # type: ignore[arg-type]
    assert tokens.states.shape == (2, 1, 24) and tokens.mask.all()
    torch.testing.assert_close(tokens.states[:, 0], tokens.pooled)
    assert (tokens.pooled[0] - tokens.pooled[1]).abs().max() > 1e-3
