"""Train a CLIP of our own: what learns, how it is measured, and where it starts."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ediffi.train.clip_config import ClipConfig
from ediffi.train.clip_examples import ClipBatch, ClipExamples
from ediffi.train.clip_folder import GivenClip, build_clip, learn_tokenizer
from ediffi.train.clip_loss import anchor_loss, contrastive_loss, positives
from ediffi.train.clip_start import start_as_convolution
from ediffi.train.parallel import ALONE, Ranks
from ediffi.train.state import TrainState

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


class Matching:
    """Pictures find their captions and captions their pictures, and both their anchors; `fits` is
    the share of captions whose nearest picture they are true of."""

    def __init__(self, config: ClipConfig, tokenizer: Any) -> None:
        self.config, self.tokenizer = config, tokenizer

    def __call__(self, model: ClipTraining, batch: ClipBatch) -> dict[str, Tensor]:
        config = self.config
        read = self.tokenizer(
            batch.captions,
            padding=True,
            truncation=True,
            max_length=config.positions,
            return_tensors="pt",
        ).to(batch.images.device)
        images = model.embed_images(batch.images)
        texts = model.embed_texts(read["input_ids"], read["attention_mask"])
        with torch.autocast(images.device.type, enabled=False):
            return self._losses(model, images.float(), texts.float(), batch)

    def _losses(
        self, model: ClipTraining, images: Tensor, texts: Tensor, batch: ClipBatch
    ) -> dict[str, Tensor]:
        scale = model.clip.logit_scale.exp().clamp_max(MAX_SCALE)
        logits = scale * F.normalize(images, dim=1) @ F.normalize(texts, dim=1).T
        right = positives(batch.things, batch.style, batch.styled, self.config.shared)
        named = logits.detach()[: len(texts)].argmax(1)
        fits = right[torch.arange(len(named), device=named.device), named] > 0
        contrastive = contrastive_loss(logits, right)
        anchors = self._anchors(model, images, texts, batch)
        return {
            "loss": contrastive + self.config.anchors * anchors,
            "contrastive": contrastive,
            "anchors": anchors,
            "fits": fits.float().mean(),
        }

    def _anchors(
        self, model: ClipTraining, images: Tensor, texts: Tensor, batch: ClipBatch
    ) -> Tensor:
        scale, smoothing = model.anchor_scale.exp().clamp_max(MAX_SCALE), self.config.smoothing
        style = F.one_hot(batch.style, len(model.styles)).float()

        def of(embeds: Tensor, points: Tensor, target: Tensor) -> Tensor:
            return anchor_loss(embeds, points, target, scale, smoothing)

        some = len(texts)
        concept = of(images, model.concepts, batch.concepts).mean()
        concept = concept + of(texts, model.concepts, batch.concepts[:some]).mean()
        styles = of(images, model.styles, style).mean()
        styles = styles + (of(texts, model.styles, style[:some]) * batch.styled).mean()
        return (concept + self.config.style * styles) / 2


def clip_state(
    config: ClipConfig,
    examples: ClipExamples,
    text: GivenClip | None = None,
    pictures: GivenClip | None = None,
    ranks: Ranks = ALONE,
) -> tuple[TrainState[ClipConfig], Any]:
    """A CLIP at the start of its training, and its tokenizer.

    text: a CLIP whose tokenizer and text tower stay as they are, so that who reads its texts needs
    not learn anew; only a picture tower learns, fresh, to fit them (locked tuning as in LiT, Zhai
    et al. 2022, of the other tower). pictures: a CLIP whose picture tower this one starts from.
    """
    if text is None:
        captions = (text for shown in examples.shown for text, _ in shown.captions)
        tokenizer = learn_tokenizer(captions, config)
    else:
        tokenizer = text.tokenizer
    torch.manual_seed(config.seed)
    clip = build_clip(config, tokenizer)
    if pictures is None:
        start_as_convolution(clip, examples.sample(WHITENED))
    else:
        pictures.start(clip)
    if text is not None:
        text.lock(clip)
    model = ClipTraining(clip, len(examples.concepts), len(examples.styles))
    return TrainState(config, model, Matching(config, tokenizer), ranks), tokenizer
