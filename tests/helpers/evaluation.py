"""A model that is small enough to be evaluated in a test, and an evaluation of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from ediffi.core.types import Tokens
from ediffi.encoders.spec import EncoderSpec, weights_hash
from ediffi.evaluate.evaluation import Evaluation, Settings
from ediffi.evaluate.gallery import Subject
from ediffi.model import Cascade, ModelConfig, Sampling, Stage, StageConfig, save_model
from ediffi.networks import PRESETS, build_denoiser
from ediffi.pictogram.dataset import PictogramSet
from ediffi.pictogram.grid import Grid

STYLES = ("noto", "emojione", "fluent-emoji-3d")
NUM = 24
CURVE = ("fd", "kid", "clip", "concept", "style")


class Letters:
    """A text encoder: one token a letter, its code in binary."""

    def encode(self, texts: Sequence[str]) -> Tokens:
        codes = torch.zeros(len(texts), 96, dtype=torch.long)
        for row, text in enumerate(texts):
            letters = [ord(letter) for letter in text][:96]
            codes[row, : len(letters)] = torch.tensor(letters)
        states = ((codes[..., None] >> torch.arange(32)) & 1).float()
        return Tokens(states, codes > 0, states.mean(1))

    def offsets(self, text: str) -> list[tuple[int, int]]:
        return [(n, n + 1) for n in range(min(len(text), 96))]


class Counted:
    """A clip_text encoder: one token, the numbers of letters."""

    name = "letter counts"

    def encode(self, texts: Sequence[str]) -> Tokens:
        counts = torch.tensor([[float(t.count(chr(97 + n))) for n in range(32)] for t in texts])
        return Tokens(counts[:, None], torch.ones(len(texts), 1, dtype=torch.bool), counts)


def tiny_cascade(encoders: dict[str, Any] | None = None) -> Cascade:
    """A base of the `tiny` preset at 64 px with random weights."""
    stage = StageConfig(
        name="base",
        resolution=64,
        network=PRESETS["tiny"]["base"],
        sigma_data=0.5,
        sampling=Sampling(num_steps=2, sigma_min=0.05, sigma_max=80.0, guidance_scale=2.0),
    )

    def random_stage(config: StageConfig) -> Stage:
        torch.manual_seed(0)
        denoiser = build_denoiser(config.network, config.sigma_data)
        for parameter in denoiser.parameters():  # a fresh network is zero at its end
            torch.nn.init.normal_(parameter, std=0.2)
        return Stage(config, denoiser)

    config = ModelConfig(name="tiny", stages=(stage,), encoders={}, styles=STYLES)
    encoders = encoders or {"t5": Letters()}
    return Cascade(config, random_stage, encoders=encoders, hash="0" * 64)


def tiny_folder(folder: Path, text_encoder: Path) -> Path:
    """The same as a model folder, with a real text encoder."""
    cascade = tiny_cascade()
    digest = weights_hash(text_encoder)
    spec = EncoderSpec(kind="text", source=str(text_encoder), sha256=digest)
    config = cascade.config.model_copy(update={"encoders": {"t5": spec}})
    save_model(folder, config, {"base": cascade.stages[0].denoiser.state_dict()})
    return folder


def evaluation(
    grid: Grid, cache: Path, folder: Path, extractor: Path | str, **asked: Any
) -> Evaluation:
    """Of `tiny_cascade` on the pictogram grid. cache: of judges and features of real pictures;
    extractor: see `open_extractor`, the tests' CLIP is quick."""
    asked = {"num_images": NUM, "guidance": (1, 2), "extractor": str(extractor), **asked}
    settings, cascade = Settings.of(**asked), tiny_cascade()
    data = PictogramSet(grid, cascade.config, settings.split)
    return Evaluation(settings, Subject(cascade, tiny_cascade, folder), data, cache)


def without_times(path: Path) -> str:
    """A record that does not say when it was made."""
    record = json.loads(path.read_text())
    del record["timestamps"]
    return json.dumps(record, indent=2)
