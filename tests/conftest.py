"""Tiny real things: a grid, encoders saved by transformers, and a whole cascade in a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"  # no test may reach for the network

import pytest
import torch
from helpers.texts import WORDS, save_tokenizer
from tiny_grid import tiny_grid

from ediffi.pictogram.grid import Grid

RESOLUTIONS = (16, 64, 256)  # of the tiny cascade's stages


@pytest.fixture(scope="session", autouse=True)
def keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of the keys that tests sign with, never the user's own."""
    from ediffi.trust.keys import create_keys

    folder = tmp_path_factory.mktemp("keys")
    create_keys(folder, "the tests")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDIFFI_KEYS", str(folder))
        yield folder


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Grid:
    """A real grid of a few concepts, to be read only."""
    return tiny_grid(tmp_path_factory.mktemp("grid"))


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where tests keep judges and features of real pictures."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def quick_judges() -> Iterator[None]:
    """Judges are fitted on few pictures, in seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ediffi.pictogram.dataset.NUM_SCENES", 64)
        patch.setattr("ediffi.pictogram.dataset.NUM_TEST_SCENES", 32)
        patch.setattr("ediffi.evaluate.judges.SIDES", (64,))
        patch.setattr("ediffi.evaluate.matcher.STEPS", 150)
        yield


@pytest.fixture(scope="session")
def t5_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A T5EncoderModel, 32 wide, with random weights."""
    from transformers import T5Config, T5EncoderModel

    folder = tmp_path_factory.mktemp("t5")
    size = save_tokenizer(folder, max_length=512)
    torch.manual_seed(0)
    config = T5Config(
        vocab_size=size, d_model=32, d_kv=16, d_ff=64, num_layers=2, num_heads=2, pad_token_id=0
    )
    T5EncoderModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def bert_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BertModel, 32 wide, with random weights."""
    from transformers import BertConfig, BertModel

    folder = tmp_path_factory.mktemp("bert")
    size = save_tokenizer(folder, max_length=512)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=size,
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
    )
    BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CLIPModel, 32 wide in both towers, joint space 24, 77 text positions, 28 px pictures."""
    return save_clip(tmp_path_factory.mktemp("clip"), joint=24)


@pytest.fixture(scope="session")
def even_clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As wide in its joint space as its text states are, 32: what networks can be trained with."""
    return save_clip(tmp_path_factory.mktemp("even-clip"), joint=32)


def save_clip(folder: Path, *, joint: int) -> Path:
    """A CLIPModel with random weights as a `transformers` folder."""
    from transformers import CLIPConfig, CLIPModel

    size = save_tokenizer(folder, max_length=77)
    tower = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
    }
    torch.manual_seed(0)
    config = CLIPConfig(
        text_config=tower
        | {"vocab_size": size, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2},
        vision_config=tower | {"image_size": 28, "patch_size": 14},
        projection_dim=joint,
    )
    CLIPModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory, bert_folder: Path) -> Path:
    """A three-stage cascade of the `tiny` preset, 16, 64 and 256 pixels, with random weights."""
    from ediffi.encoders.spec import EncoderSpec, weights_hash
    from ediffi.model import ModelConfig, Sampling, StageConfig, save_model
    from ediffi.networks import PRESETS, STAGES, build_denoiser

    torch.manual_seed(1)
    stages, weights = [], {}
    for name, resolution in zip(STAGES, RESOLUTIONS, strict=True):
        network = PRESETS["tiny"][name]
        base = network.scale == 1
        stages.append(
            StageConfig(
                name=name,
                resolution=resolution,
                network=network,
                sigma_data=0.5 if base else 0.2,
                sampling=Sampling(
                    num_steps=4,
                    sigma_min=0.05,
                    sigma_max=20.0 if base else 0.5,
                    guidance_scale=3.0 if base else 1.0,
                    augmentation=0.0 if base else 0.1,
                ),
                images_seen=100,
            )
        )
        denoiser = build_denoiser(network, 0.5)
        for parameter in denoiser.parameters():  # a fresh network is zero at its end
            torch.nn.init.normal_(parameter, std=0.1)
        weights[name] = denoiser.state_dict()
    spec = EncoderSpec(kind="text", source=str(bert_folder), sha256=weights_hash(bert_folder))
    config = ModelConfig(
        name="tiny",
        stages=tuple(stages),
        encoders={"t5": spec},
        vocabulary={"red fox": ("animal",), "rocket": ("space",), "cat": (), "tree": ()},
        words=tuple(WORDS.split()),
        styles=("flat",),
    )
    folder = tmp_path_factory.mktemp("model")
    save_model(folder, config, weights)
    return folder


@pytest.fixture(scope="session")
def whole_folder(
    model_folder: Path, even_clip_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The tiny cascade with a CLIP in its folder."""
    from ediffi.encoders.spec import EncoderSpec, weights_hash
    from ediffi.model import ModelFolder, save_model

    folder, old = tmp_path_factory.mktemp("whole"), ModelFolder(model_folder)
    found = {"source": "clip", "sha256": weights_hash(even_clip_folder)}
    encoders = old.config.encoders | {
        "clip_text": EncoderSpec(kind="clip_text", **found),
        "clip_image": EncoderSpec(kind="clip_image", **found),
    }
    config = old.config.model_copy(update={"encoders": encoders, "name": "whole"})
    weights = {stage.name: old.weights(stage.name) for stage in config.stages}
    save_model(folder, config, weights, encoders={"clip": even_clip_folder})
    return folder
