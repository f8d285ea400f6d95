"""What pictures are measured against: real drawings on the backgrounds that were asked for."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ediffi.core.pixels import from_uint8
from ediffi.evaluate.colours import Floats, dominant_colour
from ediffi.evaluate.extractor import SIDE, EfficientNetLite0
from ediffi.evaluate.judge import ConceptJudge
from ediffi.evaluate.pictures import Picture
from ediffi.evaluate.real import visible_backgrounds
from ediffi.model import Cascade
from ediffi.pictogram.composer import Composer, SceneConfig
from ediffi.pictogram.grid import Grid
from ediffi.pictogram.scene import Background, Item, Scene
from studies.prompts import FixedPrompt

LONG_SIDE = 0.8  # of the canvas, in the real picture of a prompt

# the judge knows more drawings of a concept than a model may have been taught
JUDGE_STYLES = ("noto", "twemoji", "fluent-emoji-flat", "fluent-emoji", "emojione")


class Reference:
    """Real drawings of the grid, held-out ones too: a judge may know what no training sees."""

    def __init__(self, grid: Grid, styles: Sequence[str] = JUDGE_STYLES) -> None:
        """styles: those to measure against, where the grid has them."""
        self.grid = grid
        self.styles = tuple(style for style in styles if style in grid.styles)
        self.composer = Composer(grid, SceneConfig(split="all", styles=self.styles))

    def picture(self, row: FixedPrompt, size: int) -> Picture:
        """The real drawing that a prompt names: (size, size, 3) uint8."""
        return self._render(row.hexcode, row.style, row.background, size)

    def dominant_colours(self, hexcode: str, background: str) -> dict[str, Floats | None]:
        """By style, measured as an output's would be: at 64 px on the same background."""
        return {
            style: dominant_colour(self._render(hexcode, style, background, 64))
            for style in self._drawn(hexcode)
        }

    def labelled(self, hexcodes: Sequence[str]) -> tuple[Tensor, list[str], list[str]]:
        """Pictures to fit a judge on (N, 3, 224, 224), the hexcode and the style of each.

        Every cell twice, on two backgrounds that it stands out on: once drawn at 224 px and once
        at 64 px and enlarged, because outputs of the base are of that kind.
        """
        rng = Random("judge")
        images, labels, styles = [], [], []
        for hexcode in hexcodes:
            for style in self._drawn(hexcode):
                names = visible_backgrounds(self.grid.cells[hexcode, style])
                large, small = rng.sample(names, 2)
                images.append(from_uint8([self._render(hexcode, style, large, SIDE)]))
                low = from_uint8([self._render(hexcode, style, small, 64)])
                images.append(F.interpolate(low, (SIDE, SIDE), mode="bicubic").clamp(-1, 1))
                labels += [hexcode] * 2
                styles += [style] * 2
        return torch.cat(images), labels, styles

    def _drawn(self, hexcode: str) -> list[str]:
        return [style for style in self.styles if (hexcode, style) in self.grid.cells]

    def _render(self, hexcode: str, style: str, background: str, size: int) -> Picture:
        return self.composer.render(real_scene(self.grid, hexcode, style, background), size)


def fit_judge(
    reference: Reference, hexcodes: Sequence[str], extractor: EfficientNetLite0
) -> tuple[ConceptJudge, dict[str, float]]:
    """A judge of the concepts, and how well it would do in a style that it has not seen.

    Returns the judge fitted on all styles, and the mean over styles of its accuracy on one when
    fitted on the others; nothing of that if there is only one style.
    """
    images, labels, styles = reference.labelled(hexcodes)
    features = extractor(images)
    scores: dict[str, list[float]] = {"top1": [], "top5": []}
    names = sorted(set(styles))
    for style in names if len(names) > 1 else ():
        inside = torch.tensor([s == style for s in styles])
        rest = [label for label, s in zip(labels, styles, strict=True) if s != style]
        own = [label for label, s in zip(labels, styles, strict=True) if s == style]
        judge = ConceptJudge.fit(features[~inside], rest)
        for name, k in (("top1", 1), ("top5", 5)):
            scores[name].append(judge.accuracy(features[inside], own, k))
    unseen = {name: sum(values) / len(values) for name, values in scores.items() if values}
    return ConceptJudge.fit(features, labels), unseen


def shared_facts(
    cascade: Cascade, grid: Grid, extractor: EfficientNetLite0, dtype: torch.dtype
) -> dict[str, Any]:
    """What figures of a protocol with a fixed list and `fit_judge` depend on, whatever the list."""
    return {
        "model": cascade.config.name,
        "model_hash": cascade.hash,
        "dtype": str(dtype).removeprefix("torch."),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "data": grid.fingerprint,
        "extractor": extractor.name,
        "extractor_sha256": extractor.hash,
        "judge": "nearest class mean, centred cosine; cells at 224 px and at 64 px enlarged",
    }


def real_scene(grid: Grid, hexcode: str, style: str, background: str) -> Scene:
    """The real drawing in the middle of the canvas, to measure a prompt's picture against."""
    _, _, width, height = grid.cells[hexcode, style].box
    scale = LONG_SIDE / max(width, height)
    w, h = width * scale, height * scale
    item = Item(hexcode, style, grid.concepts[hexcode].label, ((1 - w) / 2, (1 - h) / 2, w, h))
    return Scene(0, "single", Background("plain", (background,)), (item,), "", ())
