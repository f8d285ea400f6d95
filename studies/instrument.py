"""Can the instrument be trusted? What it says of real pictures whose answer is known."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageFilter
from torch import Tensor

from ediffi.core.types import Pixels
from ediffi.evaluate.evaluation import Evaluation
from ediffi.evaluate.features import BATCH, Tell
from ediffi.evaluate.metrics import Asked, Seen, concept, fd, kernel_distance, match, style
from ediffi.evaluate.report import interval, percent, table
from ediffi.evaluate.shares import exchanged, share
from ediffi.pictogram.dataset import PictogramSet, halves
from ediffi.pictogram.grid import MONOCHROME
from studies.copies import Copies, planted, strangers

Worse = Callable[[Pixels, int], Pixels]


def blur(std: float) -> Worse:
    """Gaussian blur, std in pixels of a 64 px picture."""

    def apply(picture: Pixels, number: int) -> Pixels:
        radius = std * picture.shape[0] / 64
        return np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(radius)))

    return apply


def noise(std: float) -> Worse:
    """White noise, std of 255."""

    def apply(picture: Pixels, number: int) -> Pixels:
        grain = np.random.default_rng(number).normal(0, std, picture.shape)
        return (picture + grain).round().clip(0, 255).astype(np.uint8)

    return apply


def jpeg(quality: int) -> Worse:
    """Through JPEG, 4:2:0."""

    def apply(picture: Pixels, number: int) -> Pixels:
        file = io.BytesIO()
        Image.fromarray(picture).save(file, "JPEG", quality=quality)
        return np.asarray(Image.open(file))

    return apply


DEGRADED: dict[str, dict[str, Worse]] = {
    "blur": {f"std {s:g} px": blur(s) for s in (0.5, 1, 2)},
    "noise": {f"std {s}": noise(s) for s in (8, 16, 32)},
    "JPEG": {f"quality {q}": jpeg(q) for q in (60, 30, 10)},
}
"""From mild to strong."""
SHUFFLED = (0.25, 0.5, 1.0)
"""Shares of pictures whose captions are exchanged."""


def check(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Rows of a table: what was done to real pictures, and every figure of them.

    Distances are to the reference set; "memorised" is the share flagged as copies.
    """
    data = evaluation.data
    assert isinstance(data, PictogramSet)
    real = evaluation.seen(evaluation.real(data.prompts))
    rows = [{"pictures": "other scenes of the same drawings (floor)", **_figures(real)}]
    rows += _halves(evaluation, data)
    for kind, levels in DEGRADED.items():
        tell = evaluation.subject.tell(kind, len(levels) * len(real.features))
        for level, worse in levels.items():
            seen = evaluation.seen(_degraded(evaluation, worse, tell))
            rows.append({"pictures": f"{kind}, {level}", **_figures(seen)})
    rows += [_shuffled(part, real) for part in SHUFFLED]
    return [*rows, *_copies(data, evaluation.stage)]


def _distances(seen: Seen) -> dict[str, Any]:
    return {"fd": fd(seen)["distance"], "kid": kernel_distance(seen)}


def _figures(seen: Seen) -> dict[str, Any]:
    return {**_distances(seen), **_judged(seen)}


def _judged(seen: Seen) -> dict[str, Any]:
    matched = match(seen)
    return {
        "match": matched["cosine"],
        "own_caption_first": matched["own_caption_first"]["share"],
        "concept": concept(seen)["top1"]["share"],
        "style": style(seen)["top1"]["share"],
    }


def _halves(evaluation: Evaluation, data: PictogramSet) -> list[dict[str, Any]]:
    """With few styles a concept is in one half only: then the halves show different things."""
    colour = tuple(s for s in data.grid.styles if s not in MONOCHROME)
    wide = {"concepts": None, "styles": colour, "split": "all"}
    pairs = {
        "disjoint halves of the model's drawings": data.halves,
        "disjoint halves of the whole grid": halves(data.grid, data.scenes.model_copy(update=wide)),
    }
    rows = []
    for name, pair in pairs.items():
        if pair:
            first, second = (evaluation.real(half) for half in pair)
            seen = Seen(first, evaluation.asked, second, evaluation.judges)
            rows.append({"pictures": name, **_distances(seen)})
    return rows


def _degraded(evaluation: Evaluation, worse: Worse, tell: Tell) -> Tensor:
    examples, extractor = evaluation.data.prompts, evaluation.extractor
    features = []
    for start in range(0, evaluation.settings.num_images, BATCH):
        numbers = range(start, min(start + BATCH, evaluation.settings.num_images))
        pictures = examples.pictures(numbers, evaluation.stage)
        features.append(extractor([worse(p, n) for p, n in zip(pictures, numbers, strict=True)]))
        tell(len(numbers))
    return torch.cat(features)


def _shuffled(part: float, real: Seen) -> dict[str, Any]:
    """Some pictures get another one's caption and labels: with all of them it is the null."""
    order = list(range(len(real.features)))
    moved = sorted(np.random.default_rng(0).permutation(len(order))[: int(part * len(order))])
    for place, other in zip(moved, exchanged(moved), strict=True):
        order[place] = int(other)
    asked: Asked = real.asked.chosen(order)
    name = f"captions of {part:.0%} exchanged" + (" (null)" if part == 1 else "")
    return {"pictures": name, **_judged(replace(real, asked=asked))}


def _copies(data: PictogramSet, stage: int) -> list[dict[str, Any]]:
    copies = Copies.of(data.grid, data.concepts, data.styles)
    sets = {
        "planted copies of training drawings": planted(data.grid, copies, stage),
        "held-out drawings": strangers(data.grid, data.styles, stage),
    }
    return [
        {"pictures": name, "memorised": share([copies.flags(p) for p in pictures])["share"]}
        for name, pictures in sets.items()
    ]


def check_table(rows: Sequence[dict[str, Any]]) -> str:
    """`check` as Markdown."""
    heads = {
        "fd": "FD",
        "kid": "KID x 1000 (95 %)",
        "match": "match: cosine",
        "own_caption_first": "own caption first of 100",
        "concept": "concept",
        "style": "style",
        "memorised": "flagged as copies",
    }
    out = [["real pictures", *heads.values()]]
    for row in rows:
        cells = [row["pictures"]]
        for key in heads:
            value = row.get(key)
            if value is None:
                cells.append("")
            elif key == "kid":
                cells.append(interval(value))
            elif key in ("fd", "match"):
                cells.append(f"{value:.3f}" if key == "match" else f"{value:.2f}")
            else:
                cells.append(percent(value))
        out.append(cells)
    return table(out)
