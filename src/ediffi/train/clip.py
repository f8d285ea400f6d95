"""Train a CLIP of our own: the same command starts a run, continues it, and finds it finished."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ediffi.train.clip_config import ClipConfig
from ediffi.train.clip_examples import ClipBatch, ClipExamples
from ediffi.train.clip_folder import GivenPictures, KeptText, build_clip, learn_tokenizer
from ediffi.train.clip_loss import anchor_loss, contrastive_loss, positives
from ediffi.train.clip_start import start_as_convolution
from ediffi.train.run import Learner, Tick, resume, steps

MAX_SCALE = 100.0  # of logits, as in CLIP
WHITENED = 1_024  # pictures that the first layer starts from


class ClipTraining(nn.Module):
    """What learns: the CLIP, and anchors that stay behind when it is saved."""

    def __init__(self, clip: Any, num_concepts: int, num_styles: int) -> None:
        super().__init__()
        self.clip = clip
        width = clip.config.projection_dim
        self.concepts = nn.Parameter(torch.randn(num_concepts, width) / width**0.5)
        self.styles = nn.Parameter(torch.randn(num_styles, width) / width**0.5)
        self.anchor_scale = nn.Parameter(torch.tensor(16.0).log())

    def embed_images(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) in [-1, 1] -> (B, D)."""
        pooled = self.clip.vision_model(pixel_values=images).pooler_output
        embeds: Tensor = self.clip.visual_projection(pooled)
        return embeds

    def embed_texts(self, ids: Tensor, mask: Tensor) -> Tensor:
        """(B, L) token numbers and what of them is no padding -> (B, D)."""
        pooled = self.clip.text_model(input_ids=ids, attention_mask=mask).pooler_output
        embeds: Tensor = self.clip.text_projection(pooled)
        return embeds


class ClipState(Learner):
    """A CLIP in training.

    text: of a CLIP whose tokenizer and text tower stay as they are, so that who reads its texts
    needs not learn anew; only a picture tower learns, fresh, to fit them (locked tuning as in LiT,
    Zhai et al. 2022, of the other tower). pictures: the tower to start from, not fresh.
    """

    config: ClipConfig

    def __init__(
        self,
        config: ClipConfig,
        examples: ClipExamples,
        text: KeptText | None = None,
        pictures: GivenPictures | None = None,
    ) -> None:
        self.config, self.images = config, 0
        if text is None:
            texts = (text for shown in examples.shown for text, _ in shown.captions)
            self.tokenizer = learn_tokenizer(texts, config)
        else:
            self.tokenizer = text.tokenizer
        torch.manual_seed(config.seed)
        clip = build_clip(config, self.tokenizer)
        if pictures is None:
            start_as_convolution(clip, examples.sample(WHITENED))
        else:
            pictures.start(clip)
        if text is not None:
            text.lock(clip)
        self.model = ClipTraining(clip, len(examples.concepts), len(examples.styles))
        learning = self.model.named_parameters()
        self.parameters = {name: p for name, p in learning if p.requires_grad}
        matrices = [p for p in self.parameters.values() if p.ndim > 1]
        others = [p for p in self.parameters.values() if p.ndim <= 1]
        groups: list[dict[str, Any]] = [{"params": matrices}, {"params": others, "weight_decay": 0}]
        self.optimizer = torch.optim.AdamW(
            groups,
            lr=config.optimiser.learning_rate,
            betas=config.optimiser.betas,
            weight_decay=config.optimiser.weight_decay,
            fused=True,
        )

    def step(self, batch: ClipBatch) -> dict[str, float]:
        """One update; returns the parts of the loss.

        Raises:
            FloatingPointError: the loss or its gradient is not finite; weights are untouched.
        """
        losses = self._losses(batch)
        loss = losses["contrastive"] + self.config.anchors * losses["anchors"]
        self.descend(loss, len(batch.images))
        return {name: float(loss.detach()) for name, loss in losses.items()}

    def _losses(self, batch: ClipBatch) -> dict[str, Tensor]:
        config, model = self.config, self.model
        read = self.tokenizer(
            batch.captions,
            padding=True,
            truncation=True,
            max_length=config.positions,
            return_tensors="pt",
        )
        with torch.autocast("cpu", torch.bfloat16):
            images = model.embed_images(batch.images)
            texts = model.embed_texts(read["input_ids"], read["attention_mask"])
        images, texts = images.float(), texts.float()
        scale = model.clip.logit_scale.exp().clamp_max(MAX_SCALE)
        logits = scale * F.normalize(images, dim=1) @ F.normalize(texts, dim=1).T
        right = positives(batch.things, batch.style, batch.styled, config.shared)
        named = logits.detach()[: len(texts)].argmax(1)
        return {
            "contrastive": contrastive_loss(logits, right),
            "anchors": self._anchors(images, texts, batch),
            "fits": (right[torch.arange(len(named)), named] > 0).float().mean(),
        }

    def _anchors(self, images: Tensor, texts: Tensor, batch: ClipBatch) -> Tensor:
        model, smoothing = self.model, self.config.smoothing
        scale = model.anchor_scale.exp().clamp_max(MAX_SCALE)
        style = F.one_hot(batch.style, len(model.styles)).float()

        def of(embeds: Tensor, points: Tensor, target: Tensor) -> Tensor:
            return anchor_loss(embeds, points, target, scale, smoothing)

        some = len(texts)
        concept = of(images, model.concepts, batch.concepts).mean()
        concept = concept + of(texts, model.concepts, batch.concepts[:some]).mean()
        styles = of(images, model.styles, style).mean()
        styles = styles + (of(texts, model.styles, style[:some]) * batch.styled).mean()
        return (concept + self.config.style * styles) / 2


def train_clip(
    config: ClipConfig,
    run_dir: Path,
    examples: ClipExamples,
    *,
    text: KeptText | None = None,
    pictures: GivenPictures | None = None,
    report: Callable[[str], None] = print,
) -> Iterator[Tick[ClipState]]:
    """Train in `run_dir`, from its last checkpoint if there is one.

    Writes checkpoints and `log.jsonl`. Ctrl-C and SIGTERM finish the step, write a checkpoint and
    end the iteration early. text, pictures: see `ClipState`.

    Raises:
        UserError: another config in this folder, no space, a loss that is not finite.
    """
    state = ClipState(config, examples, text, pictures)
    resume(state, run_dir, report)
    sizes = {n: sum(p.numel() for p in part.parameters()) for n, part in _parts(state).items()}
    told = ", ".join(f"{size / 1e6:.2f} M in {name}" for name, size in sizes.items())
    report(f"parameters: {told}; {len(state.tokenizer):,} tokens")
    sums = _Sums()

    def step() -> None:
        sums.add(state.step(examples.batch(state.images)))

    def read(before: int) -> dict[str, Any]:
        return sums.read(config.schedule.batch_size)

    yield from steps(state, run_dir, step, read, report=report)


class _Sums:
    """Losses since the last reading, and the time it took."""

    def __init__(self) -> None:
        self.count, self.sums, self.since = 0, dict[str, float](), time.perf_counter()

    def add(self, losses: dict[str, float]) -> None:
        self.count += 1
        for name, value in losses.items():
            self.sums[name] = self.sums.get(name, 0.0) + value

    def read(self, batch_size: int) -> dict[str, float]:
        """Means of the losses, and images per second."""
        now = time.perf_counter()
        means = {name: round(value / self.count, 4) for name, value in self.sums.items()}
        means["images_per_second"] = round(self.count * batch_size / (now - self.since), 1)
        self.count, self.sums, self.since = 0, {}, now
        return means


def _parts(state: ClipState) -> dict[str, nn.Module]:
    clip = state.model.clip
    return {"the whole": clip, "text": clip.text_model, "pictures": clip.vision_model}
