"""Judges of the protocol `style`: which of the grid's styles, and which concept, at 64 px.

Linear heads on a frozen EfficientNet: style by the means and deviations of channels at all depths,
where strokes, shading and texture are; concept by its last features. Fitted on real pictures only.

Vectors have areas of one colour, and one of the sets is a raster: to a head fitted on pictures as
they are, the least grain is that set. So the head for style sees everything under fixed noise.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ediffi.core.types import Pixels
from ediffi.evaluate.features import AT_ONCE, EfficientNetLite0, Report, digest
from ediffi.evaluate.heads import Fitted, LinearHead, kept_heads, unseen_hits
from ediffi.evaluate.shares import mean
from ediffi.pictogram.drawings import cells_of, draw, real_picture
from ediffi.pictogram.grid import Grid
from ediffi.pictogram.render import Renderer
from ediffi.pictogram.scene import vocabulary
from studies.style_rows import StylePrompt

VERSION = 2
FIT_SIDE = 64
NOISE = 8  # standard deviation of what is laid over a picture whose style is judged, of 255
DEPTHS = (0, 1, 2, 3, 4, 6, 8, 10)  # blocks whose channels are summed up
BATCH = 16  # pictures drawn at a time


@dataclass(frozen=True)
class Seen:
    """Of B pictures: look (B, D), content (B, E)."""

    look: Tensor
    content: Tensor


class Eyes:
    """What the frozen network sees of pictures of any one size, (H, W, 3) uint8 each."""

    def __init__(self) -> None:
        self.extractor = EfficientNetLite0()

    def __call__(self, pictures: Sequence[Pixels]) -> Seen:
        return Seen(self.look(pictures), self.extractor(pictures))

    def look(self, pictures: Sequence[Pixels], noise: float = NOISE) -> Tensor:
        """(B, D), of the pictures under so much noise."""
        looks = []
        for start in range(0, len(pictures), AT_ONCE):
            block = [noised(picture, noise) for picture in pictures[start : start + AT_ONCE]]
            with self._watched() as sums:
                self.extractor(block)
            looks.append(torch.cat(sums, dim=1))
        return torch.cat(looks)

    @contextmanager
    def _watched(self) -> Iterator[list[Tensor]]:
        """A list that a forward pass fills with the sums of its depths."""
        sums: list[Tensor] = []

        def add(module: Any, inputs: Any, out: Tensor) -> None:
            sums.append(torch.cat([out.mean((2, 3)), out.std((2, 3))], dim=1))

        blocks = [self.extractor.net._blocks[depth] for depth in DEPTHS]
        handles = [block.register_forward_hook(add) for block in blocks]
        try:
            yield sums
        finally:
            for handle in handles:
                handle.remove()


def noised(picture: Pixels, std: float) -> Pixels:
    """(H, W, 3) uint8 under noise of its own, always the same, which drowns any grain it has."""
    seed = int.from_bytes(hashlib.sha256(picture.tobytes()).digest()[:8], "big")
    noise = np.random.default_rng(seed).normal(0, std, picture.shape)
    return np.clip(np.rint(picture + noise), 0, 255).astype(np.uint8)


@dataclass(frozen=True)
class StyleJudges:
    """Fitted heads. accuracy: on real drawings that they were not fitted on; facts: for the
    protocol."""

    see: Eyes
    style: LinearHead
    concept: LinearHead
    accuracy: dict[str, Any]
    facts: dict[str, Any]

    def style_hits(self, seen: Seen, styles: Sequence[str]) -> list[bool]:
        """Is each picture in its style?"""
        return self.style.hits(seen.look, styles)

    def concept_hits(self, seen: Seen, hexcodes: Sequence[str], k: int = 1) -> list[bool]:
        """Does each picture show its concept, among the k likeliest?"""
        return self.concept.hits(seen.content, hexcodes, k)

    def rather(self, seen: Seen, one: Sequence[str], other: Sequence[str]) -> list[bool]:
        """Does each picture rather show the first concept than the second?"""
        scores, place = self.concept.scores(seen.content), self.concept.labels.index
        pairs = zip(scores, map(place, one), map(place, other), strict=True)
        return [bool(row[a] > row[b]) for row, a, b in pairs]


def open_style_judges(
    grid: Grid, rows: Sequence[StylePrompt], folder: Path, report: Report
) -> StyleJudges:
    """The judges for these prompts, fitted the first time and kept in `folder`.

    The head for style sees every concept but the prompts'; that for concepts sees those too.
    """
    asked, known = concepts_of(rows)
    see = Eyes()
    facts = {
        "version": VERSION,
        "data": grid.fingerprint,
        "extractor": see.extractor.name,
        "extractor_sha256": see.extractor.hash,
        "depths": list(DEPTHS),
        "pixels": FIT_SIDE,
        "noise": NOISE,
        "concepts": known,
        "not_for_style": asked,
        "styles": sorted({row.style for row in rows}),
    }
    key = digest(facts)
    path = folder / f"style-{key[:24]}.safetensors"
    heads, _, words = kept_heads(path, lambda: _fit(see, grid, facts, report))
    short = {**facts, "concepts": len(known), "not_for_style": len(asked), "sha256": key}
    return StyleJudges(see, heads["style"], heads["concept"], words["accuracy"], short)


def concepts_of(rows: Sequence[StylePrompt]) -> tuple[list[str], list[str]]:
    """Concepts that the prompts ask for, and all that the judges know."""
    asked = {row.hexcode for row in rows}
    return sorted(asked), sorted(asked | {row.reference for row in rows} | set(vocabulary()))


def _fit(see: Eyes, grid: Grid, facts: dict[str, Any], report: Report) -> Fitted:
    cells = cells_of(grid, facts["concepts"], facts["styles"])
    rows = [real_picture(cell, size=FIT_SIDE, seed="style") for cell in cells]
    renderer, parts = Renderer(grid), []
    for start in range(0, len(rows), BATCH):
        block = rows[start : start + BATCH]
        parts.append(see(draw(renderer, block)))
        report("judges of style", len(block), len(rows))
    looks, contents = (torch.cat([getattr(p, n) for p in parts]) for n in ("look", "content"))
    others = [n for n, cell in enumerate(cells) if cell.hexcode not in facts["not_for_style"]]
    look, styles = looks[others], [cells[n].style for n in others]
    heads = {
        "style": fit_style(look, styles),
        "concept": LinearHead.fit(contents, [cell.hexcode for cell in cells]),
    }
    mean_look, scale = _spread(look)
    groups = [f"{cells[n].hexcode}|{cells[n].drawing}" for n in others]
    accuracy = {
        "style_of_unseen_drawings": mean(unseen_hits((look - mean_look) / scale, styles, groups)),
        "style_chance": 1 / len(heads["style"].labels),
        "pictures": len(cells),
    }
    return heads, {}, {"accuracy": accuracy}


def fit_style(look: Tensor, styles: Sequence[str]) -> LinearHead:
    """A head for looks (N, D); it is fitted on features of mean 0 and variance 1."""
    mean, scale = _spread(look)
    head = LinearHead.fit((look - mean) / scale, styles)
    weight = head.weight / scale[:, None]
    return LinearHead(weight, head.bias - mean @ weight, head.labels)


def _spread(look: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation of each feature; never 0, since it is divided by."""
    return look.mean(0), look.std(0) + 1e-5
