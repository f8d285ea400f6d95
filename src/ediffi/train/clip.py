"""Train a CLIP of our own: the same command starts a run, continues it, and finds it finished."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ediffi.errors import UserError
from ediffi.train.checkpoint import load_checkpoint, save_checkpoint, writing
from ediffi.train.clip_config import ClipConfig
from ediffi.train.clip_examples import ClipBatch, ClipExamples
from ediffi.train.clip_folder import build_clip, learn_tokenizer, start_whitened
from ediffi.train.clip_loss import anchor_loss, contrastive_loss, positives
from ediffi.train.loop import crosses, cut_log, stop_flag

MAX_SCALE = 100.0  # of logits, as in CLIP
WHITENED = 1_024  # pictures that the first layer starts from
STYLE_WEIGHT = 0.5  # of the style's part in the anchors' loss


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


class ClipState:
    """A CLIP in training: weights, the optimizer, the images seen."""

    def __init__(self, config: ClipConfig, examples: ClipExamples) -> None:
        self.config, self.images = config, 0
        texts = (text for shown in examples.shown for text, _ in shown.captions)
        self.tokenizer = learn_tokenizer(texts, config)
        torch.manual_seed(config.seed)
        clip = build_clip(config, self.tokenizer)
        start_whitened(clip, examples.sample(WHITENED))
        self.model = ClipTraining(clip, len(examples.concepts), len(examples.styles))
        self.parameters = dict(self.model.named_parameters())
        matrices = [p for p in self.parameters.values() if p.ndim > 1]
        others = [p for p in self.parameters.values() if p.ndim <= 1]
        groups: list[dict[str, Any]] = [{"params": matrices}, {"params": others, "weight_decay": 0}]
        self.optimizer = torch.optim.AdamW(
            groups,
            lr=config.learning_rate,
            betas=(0.9, 0.98),
            weight_decay=config.weight_decay,
            fused=True,
        )

    def step(self, batch: ClipBatch) -> dict[str, float]:
        """One update; returns the parts of the loss.

        Raises:
            FloatingPointError: the loss or its gradient is not finite; weights are untouched.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.learning_rate_at(self.images)
        losses = self._losses(batch)
        (losses["contrastive"] + self.config.anchors * losses["anchors"]).backward()
        norm = nn.utils.clip_grad_norm_(self.parameters.values(), self.config.clip_norm)
        if not torch.isfinite(norm):
            self.optimizer.zero_grad()
            raise FloatingPointError(f"the gradient's norm is {float(norm)}")
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.images += len(batch.images)
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
        return (concept + STYLE_WEIGHT * styles) / 2

    def tensors(self) -> dict[str, Tensor]:
        """Everything that a checkpoint must hold, by name."""
        out = {f"weights.{name}": p.detach() for name, p in self.parameters.items()}
        for name, parameter in self.parameters.items():
            for key, value in self.optimizer.state.get(parameter, {}).items():
                out[f"optimizer.{key}.{name}"] = value
        return {name: tensor.contiguous() for name, tensor in out.items()}

    @torch.no_grad()
    def restore(self, tensors: dict[str, Tensor], images: int) -> None:
        """Continue from what `tensors` returned after `images` images."""
        self.images = images
        for name, parameter in self.parameters.items():
            parameter.copy_(tensors[f"weights.{name}"])
            for key in ("step", "exp_avg", "exp_avg_sq"):
                value = tensors.get(f"optimizer.{key}.{name}")
                if value is not None:
                    self.optimizer.state[parameter][key] = value.clone()


@dataclass(frozen=True)
class ClipTick:
    """A step is done. row: what was logged, if this step closed a logging interval."""

    state: ClipState
    row: dict[str, Any] | None


def train_clip(
    config: ClipConfig,
    run_dir: Path,
    examples: ClipExamples,
    *,
    report: Callable[[str], None] = print,
) -> Iterator[ClipTick]:
    """Train in `run_dir`, from its last checkpoint if there is one.

    Writes checkpoints and `log.jsonl`. Ctrl-C and SIGTERM finish the step, write a checkpoint and
    end the iteration early.

    Raises:
        UserError: another config in this folder, no space, a loss that is not finite.
    """
    state = ClipState(config, examples)
    _resume(state, run_dir, report)
    with writing(run_dir):
        (run_dir / "config.json").write_text(config.model_dump_json(indent=1))
    sizes = {n: sum(p.numel() for p in part.parameters()) for n, part in _parts(state).items()}
    told = ", ".join(f"{size / 1e6:.2f} M in {name}" for name, size in sizes.items())
    report(f"parameters: {told}; {len(state.tokenizer):,} tokens")
    yield ClipTick(state, None)
    saved, sums, since = state.images, _Sums(), time.perf_counter()
    with stop_flag() as stop:
        while state.images < config.num_images and not stop:
            before = state.images
            try:
                sums.add(state.step(examples.batch(before)))
            except FloatingPointError as error:
                raise UserError(
                    f"training broke down after {before} images: {error}. The last good "
                    f"checkpoint ({saved} images) is kept in {run_dir}"
                ) from error
            row = None
            if crosses(before, state.images, config.log_images):
                seconds, since = time.perf_counter() - since, time.perf_counter()
                speed = sums.count * config.batch_size / seconds
                row = {"images": state.images, **sums.read(), "images_per_second": round(speed, 1)}
                with writing(run_dir), (run_dir / "log.jsonl").open("a") as file:
                    file.write(json.dumps(row) + "\n")
            if crosses(before, state.images, config.checkpoint_images):
                _save(state, run_dir)
                saved = state.images
            yield ClipTick(state, row)
    if state.images > saved:
        _save(state, run_dir)
    if stop:
        report(f"stopped after {state.images} images; the same command goes on from there")


class _Sums:
    """Losses since the last reading."""

    def __init__(self) -> None:
        self.count, self.sums = 0, dict[str, float]()

    def add(self, losses: dict[str, float]) -> None:
        self.count += 1
        for name, value in losses.items():
            self.sums[name] = self.sums.get(name, 0.0) + value

    def read(self) -> dict[str, float]:
        means = {name: round(value / self.count, 4) for name, value in self.sums.items()}
        self.count, self.sums = 0, {}
        return means


def _parts(state: ClipState) -> dict[str, nn.Module]:
    clip = state.model.clip
    return {"the whole": clip, "text": clip.text_model, "pictures": clip.vision_model}


def _resume(state: ClipState, run_dir: Path, report: Callable[[str], None]) -> None:
    loaded = load_checkpoint(run_dir, report)
    if loaded is None:
        return
    tensors, meta = loaded
    changed = state.config.differences(meta["config"])
    if changed:
        raise UserError(
            f"{run_dir} holds a run of another config ({'; '.join(changed)}): choose another "
            "folder with --run, or give the options it was started with"
        )
    state.restore(tensors, meta["images"])
    cut_log(run_dir / "log.jsonl", state.images)
    report(f"continuing {run_dir} after {state.images} images")


def _save(state: ClipState, run_dir: Path) -> None:
    meta = {"config": state.config.model_dump(mode="json")}
    save_checkpoint(run_dir, state.images, state.tensors(), meta)
