"""Training examples: each a pure function of (config, global image index), kept once computed."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ediffi.conditioning import EncoderSpec
from ediffi.conditioning.prompt import EncodesText
from ediffi.data.composer import Composer
from ediffi.data.degradations import degrade
from ediffi.diffusion import enlarge, gaussian, stable_hash, stratified_uniforms
from ediffi.networks import RESOLUTIONS
from ediffi.train.config import TrainConfig
from ediffi.types import ROLES, Prompt, StageInput

CROP = 256  # side that upscalers train on


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
    """The batches of one stage. Image i shows scene i % num_scenes, with its own noise."""

    def __init__(self, config: TrainConfig, composer: Composer, text: EncodesText) -> None:
        self.config, self.composer, self.text = config, composer, text
        self._pictures: dict[int, tuple[Tensor, str]] = {}

    def picture(self, scene_index: int) -> tuple[Tensor, str]:
        """(3, H, W) uint8 and the caption of one scene: whole, or a 256 px crop for SR1024."""
        if scene_index not in self._pictures:
            scene = self.composer.scene(scene_index)
            size, crop = RESOLUTIONS[self.config.stage], None
            if size > CROP:
                crop = self.composer.crop_for(scene, size, CROP, self.config.seed)
            pixels = np.ascontiguousarray(self.composer.render(scene, size, crop))
            picture = torch.from_numpy(pixels).permute(2, 0, 1).contiguous()
            self._pictures[scene_index] = picture, scene.caption
        return self._pictures[scene_index]

    def batch(self, start: int) -> Batch:
        """Images start .. start + batch_size - 1 of the run."""
        config = self.config
        indices = range(start, start + config.batch_size)
        pictures, captions = zip(
            *(self.picture(i % config.num_scenes) for i in indices), strict=True
        )
        clean = torch.stack(pictures).float() / 127.5 - 1
        seeds = [stable_hash(config.seed, i) for i in indices]
        uniforms = stratified_uniforms(torch.tensor(indices), config.seed)
        low_res = augmentation = None
        if config.network.scale > 1:
            low_res = degrade(clean, config.network.scale, seeds)
            augmentation = self._draws(seeds, "augmentation") * config.max_augmentation
            noise = gaussian(seeds, tuple(low_res.shape[1:]), "low_res")
            low_res = low_res + augmentation[:, None, None, None] * noise
        return Batch(
            clean=clean,
            noise=gaussian(seeds, tuple(clean.shape[1:]), "noise"),
            sigma=config.noise.sample(uniforms).float(),
            uniforms=uniforms,
            cond=StageInput(self._prompt(list(captions), seeds), low_res, augmentation),
        )

    def _prompt(self, captions: list[str], seeds: list[int]) -> Prompt:
        """The encoded captions; each role dropped independently, as in the paper (sec. 3)."""
        tokens = {"t5": self.text.encode(captions)}
        keep = {role: torch.zeros(len(captions), dtype=torch.bool) for role in ROLES}
        for role in tokens:
            keep[role] = self._draws(seeds, role) >= self.config.dropout[role]
        return Prompt(tokens, keep)

    @staticmethod
    def _draws(seeds: list[int], name: str) -> Tensor:
        """A uniform in [0, 1) per image, its own for every name."""
        return torch.tensor([stable_hash(name, s) % 2**24 / 2**24 for s in seeds])


def fingerprint(composer: Composer, encoder: EncoderSpec) -> str:
    """What a run's data are beside its config: pictures, the words for them, the text encoder."""
    parts = [composer.grid.fingerprint, sorted(composer.words.items()), encoder.sha256]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def measure_sigma_data(examples: Examples, num_images: int = 512) -> float:
    """Root mean square of what the denoiser predicts: pictures, or residuals for an upscaler."""
    total, count = 0.0, 0
    while count < num_images:
        batch = examples.batch(count)
        target = batch.clean
        if batch.cond.low_res is not None:
            target = target - enlarge(batch.cond.low_res, (target.shape[2], target.shape[3]))
            total += float(target.square().mean()) * len(target)
        else:
            total += float((target - target.mean()).square().mean()) * len(target)
        count += len(target)
    return (total / count) ** 0.5
