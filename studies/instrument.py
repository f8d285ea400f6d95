"""Can the instrument be trusted? What it says of real pictures whose answer is known."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image, ImageFilter
from torch import Tensor

from ediffi.evaluate import scores
from ediffi.evaluate.distances import frechet, kid
from ediffi.evaluate.memorization import Copies, planted, strangers
from ediffi.evaluate.pictures import Picture
from ediffi.evaluate.plots import percent, table
from ediffi.evaluate.real import enlarged
from ediffi.evaluate.scores import Asked, exchanged

if TYPE_CHECKING:
    from ediffi.evaluate.evaluation import Context

Worse = Callable[[Picture, int], Picture]


def blur(std: float) -> Worse:
    """Gaussian blur, std in pixels of a 64 px picture."""

    def apply(picture: Picture, number: int) -> Picture:
        radius = std * picture.shape[0] / 64
        return np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(radius)))

    return apply


def noise(std: float) -> Worse:
    """White noise, std of 255."""

    def apply(picture: Picture, number: int) -> Picture:
        grain = np.random.default_rng(number).normal(0, std, picture.shape)
        return (picture + grain).round().clip(0, 255).astype(np.uint8)

    return apply


def jpeg(quality: int) -> Worse:
    """Through JPEG, 4:2:0."""

    def apply(picture: Picture, number: int) -> Picture:
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
HALVES = {
    "disjoint halves of the model's drawings": "half",
    "disjoint halves of the whole grid": "grid",
}
"""With few styles a concept is in one half only: then these halves show different things."""
SHUFFLED = (0.25, 0.5, 1.0)
"""Shares of pictures whose captions are exchanged."""


def check(context: Context) -> list[dict[str, Any]]:
    """Rows of a table: what was done to real pictures, and every figure of them.

    Distances are to the reference set; "memorised" is the share flagged as copies.
    """
    reference, asked = context.real("reference"), context.asked
    context.real("prompts")  # with its own progress bar
    real = context.real("prompts")
    rows = [_row("other scenes of the same drawings (floor)", real, reference, context)]
    for name, kind in HALVES.items():
        halves = [context.real(f"{kind}-{number}") for number in (0, 1)]
        rows.append({"pictures": name, **_distances(halves[0], halves[1])})
    for levels in DEGRADED.values():
        total = len(levels) * len(asked.scenes)
        tell = context.tell(next(n for n, v in DEGRADED.items() if v is levels), total)
        for level, worse in levels.items():
            name = next(n for n, v in DEGRADED.items() if v is levels)
            features = _degraded(context, worse, tell)
            rows.append(_row(f"{name}, {level}", features, reference, context))
    for part in SHUFFLED:
        rows.append(_shuffled(part, real, context))
    return [*rows, *_memorised(context)]


def _distances(fake: Tensor, real: Tensor) -> dict[str, Any]:
    return {"fd": frechet(fake, real), "kid": kid(fake, real).scaled(1000)}


def _row(name: str, fake: Tensor, reference: Tensor, context: Context) -> dict[str, Any]:
    return {
        "pictures": name,
        **_distances(fake, reference),
        **_judged(fake, context.asked, context),
    }


def _judged(fake: Tensor, asked: Asked, context: Context) -> dict[str, Any]:
    judges = context.judges
    match = scores.match_scores(judges, fake, asked)
    return {
        "match": match["cosine"],
        "own_caption_first": match["own_caption_first"]["share"],
        "concept": scores.concept_scores(judges, fake, asked)["top1"]["share"],
        "style": scores.style_scores(judges, fake, asked)["top1"]["share"],
    }


def _degraded(context: Context, worse: Worse, tell: Callable[[int], None]) -> Tensor:
    eyes, composer = context.judges.extractor, context.data.composer
    features = []
    scenes = context.asked.scenes
    for start in range(0, len(scenes), eyes.batch):
        numbers = range(start, min(len(scenes), start + eyes.batch))
        block = [worse(composer.render(scenes[n], context.stage), n) for n in numbers]
        features.append(eyes(enlarged(block, eyes.side)))
        tell(len(block))
    return torch.cat(features)


def _shuffled(part: float, real: Tensor, context: Context) -> dict[str, Any]:
    """Some pictures get another one's scene: all of them are the null."""
    scenes = context.asked.scenes
    order = list(range(len(scenes)))
    moved = sorted(np.random.default_rng(0).permutation(len(order))[: int(part * len(order))])
    for place, other in zip(moved, exchanged(moved), strict=True):
        order[place] = int(other)
    asked = Asked([scenes[n] for n in order], context.asked.texts[order])
    name = f"captions of {part:.0%} exchanged" + (" (null)" if part == 1 else "")
    return {"pictures": name, **_judged(real, asked, context)}


def _memorised(context: Context) -> list[dict[str, Any]]:
    copies = Copies.of(context.grid, context.data.concepts, context.data.styles)
    sets: dict[str, Sequence[Picture]] = {
        "planted copies of training drawings": planted(context.grid, copies, context.stage),
        "held-out drawings": strangers(context.grid, context.data.styles, context.stage),
    }
    return [
        {"pictures": name, "memorised": scores.share([copies.flags(p) for p in pictures])["share"]}
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
                cells.append(f"{value['value']:.2f} ({value['low']:.2f} to {value['high']:.2f})")
            elif key in ("fd", "match"):
                cells.append(f"{value:.3f}" if key == "match" else f"{value:.2f}")
            else:
                cells.append(percent(value))
        out.append(cells)
    return table(out)
