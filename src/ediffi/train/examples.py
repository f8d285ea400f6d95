"""Training examples: each a pure function of (config, global image index), kept once computed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ediffi.core.types import ROLES, Prompt, StageInput, Tokens
from ediffi.data.collection import Collection
from ediffi.data.degradations import degrade
from ediffi.diffusion import gaussian, stable_hash, stratified_uniforms
from ediffi.encoders import CachedText, EncoderSpec
from ediffi.encoders.prompt import Encoder
from ediffi.networks import RESOLUTIONS
from ediffi.pictogram.captions import tells_style
from ediffi.train.config import TrainConfig
from ediffi.train.masks import Masks
from ediffi.train.references import References

CROP = 256  # side that upscalers train on
KEPT_BYTES = 2_000_000_000  # of pictures that are drawn or read once


@dataclass(frozen=True)
class Batch:
    """clean: (B, 3, H, W) in [-1, 1]; sigma: (B,); noise: unit, like clean; uniforms: (B,), where
    sigma lies in its distribution."""

    clean: Tensor
    noise: Tensor
    sigma: Tensor
    uniforms: Tensor
    cond: StageInput


class Examples:
    """The batches of one stage. Image i shows picture i % num_scenes of a collection,
    with its own noise.

    encoders: by role; see `References` for that of `clip_image`.
    """

    def __init__(
        self, config: TrainConfig, collection: Collection, encoders: Mapping[str, Encoder]
    ) -> None:
        self.config, self.collection, self.encoders = config, collection, encoders
        self.texts: dict[str, Any] = {r: e for r, e in encoders.items() if r != "clip_image"}
        side = config.network.drawing[0]
        self.masks = Masks(collection, self.texts, side) if config.needs_masks else None
        self.references = References(config, collection, encoders.get("clip_image"))
        self._kept: dict[int, tuple[Tensor, Sequence[str]]] = {}
        self._bytes = 0

    def picture(self, number: int) -> tuple[Tensor, Sequence[str]]:
        """One picture of the collection, (3, H, W) uint8, whole or a 256 px crop for SR1024; and
        its captions."""
        if number in self._kept:
            return self._kept[number]
        size = RESOLUTIONS[self.config.stage]
        crop = CROP if size > CROP else None
        pixels = self.collection.pixels(number, size, crop=crop, seed=self.config.seed)
        picture = torch.from_numpy(np.array(pixels)).permute(2, 0, 1).contiguous()
        captions = self.collection.captions(number)
        if self._bytes + picture.nbytes <= KEPT_BYTES:
            self._kept[number] = picture, captions
            self._bytes += picture.nbytes
        return picture, captions

    def batch(self, start: int) -> Batch:
        """Images start .. start + batch_size - 1 of the run."""
        config = self.config
        indices = range(start, start + config.batch_size)
        rounds, numbers = zip(*(divmod(i, config.num_scenes) for i in indices), strict=True)
        new = [n not in self._kept for n in numbers]
        pictures, said = zip(*(self.picture(n) for n in numbers), strict=True)
        self._read_ahead(
            [c for captions, is_new in zip(said, new, strict=True) for c in captions if is_new]
        )
        clean = torch.stack(pictures).float() / 127.5 - 1
        seeds = [stable_hash(config.seed, i) for i in indices]
        keep = self._keep(seeds)
        turns = self._turns(numbers, said, rounds, keep["clip_image"])
        captions = [c[turn] for c, turn in zip(said, turns, strict=True)]
        uniforms = stratified_uniforms(torch.tensor(indices), config.seed)
        low_res = augmentation = None
        if config.network.scale > 1:
            low_res = degrade(clean, config.network.scale, seeds)
            augmentation = self._draws(seeds, "augmentation") * config.max_augmentation
            noise = gaussian(seeds, tuple(low_res.shape[1:]), "low_res")
            low_res = low_res + augmentation[:, None, None, None] * noise
        prompt, things = self._prompt(numbers, captions, seeds, keep), None
        if self.masks is not None:
            pictured = list(zip(numbers, turns, strict=True))
            things, painted = self.masks.regions(
                pictured, captions, prompt, seeds, config.shown_masks
            )
            prompt = replace(prompt, regions=painted if config.shown_masks else None)
        return Batch(
            clean=clean,
            noise=gaussian(seeds, tuple(clean.shape[1:]), "noise"),
            sigma=config.noise.sample(uniforms).float(),
            uniforms=uniforms,
            cond=StageInput(prompt, low_res, augmentation, things),
        )

    def encode(self, numbers: Sequence[int], captions: Sequence[str]) -> dict[str, Tokens]:
        """What the encoders say about captions and about reference pictures of the collection."""
        tokens: dict[str, Tokens] = {role: e.encode(captions) for role, e in self.texts.items()}
        if "clip_image" in self.encoders:
            tokens["clip_image"] = self.references.encode(numbers)
        return tokens

    def _keep(self, seeds: list[int]) -> dict[str, Tensor]:
        """Which roles are heard; each dropped independently, as in the paper (sec. 3)."""
        keep = {role: torch.zeros(len(seeds), dtype=torch.bool) for role in ROLES}
        for role in self.encoders:
            keep[role] = self._draws(seeds, role) >= self.config.dropout[role]
        return keep

    def _turns(
        self,
        numbers: Sequence[int],
        said: Sequence[Sequence[str]],
        rounds: Sequence[int],
        pictured: Tensor,
    ) -> list[int]:
        """Which caption is read of each, one after the other in each round.

        Where a reference shows the style the text does not tell it; elsewhere it does, so that
        text which tells none means the usual style: as far as there are such captions.
        """
        usual, out = self.config.scenes.styles[0], []
        for number, captions, turn, shown in zip(
            numbers, said, rounds, pictured.tolist(), strict=True
        ):
            style, fit = self.references.style(number), list(range(len(captions)))
            if style is not None and (shown or style != usual):
                fit = [n for n in fit if tells_style(captions[n], style) != shown] or fit
            out.append(fit[turn % len(fit)])
        return out

    def _read_ahead(self, captions: Sequence[str]) -> None:
        """Encode all captions of pictures that are new, while there are many to encode at once;
        later rounds would else run the encoder for a few in every batch."""
        for encoder in self.texts.values():
            if isinstance(encoder, CachedText):
                encoder.remember(captions)

    def _prompt(
        self,
        numbers: Sequence[int],
        captions: Sequence[str],
        seeds: list[int],
        keep: dict[str, Tensor],
    ) -> Prompt:
        shown = self.references.choose(numbers, seeds, keep)
        return Prompt(self.encode(shown, captions), keep)

    @staticmethod
    def _draws(seeds: list[int], name: str) -> Tensor:
        """A uniform in [0, 1) per image, its own for every name."""
        return torch.tensor([stable_hash(name, s) % 2**24 / 2**24 for s in seeds])


def fingerprint(collection: Collection, encoders: Mapping[str, EncoderSpec]) -> str:
    """What a run's data are beside its config: pictures, the words for them, the encoders."""
    parts = [*collection.identity, *(encoders[r].sha256 for r in ROLES if r in encoders)]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def measure_sigma_data(examples: Examples, num_images: int = 512) -> float:
    """Standard deviation of a base's pictures."""
    total, count = 0.0, 0
    while count < num_images:
        batch = examples.batch(count)
        total += float((batch.clean - batch.clean.mean()).square().mean()) * len(batch.clean)
        count += len(batch.clean)
    return (total / count) ** 0.5
