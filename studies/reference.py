"""What pictures are measured against: real drawings on the backgrounds that were asked for."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

import numpy as np

from ediffi.core.types import Pixels
from ediffi.evaluate.features import SIDE, EfficientNetLite0
from ediffi.pictogram.composer import Composer, SceneConfig
from ediffi.pictogram.drawings import visible_backgrounds
from ediffi.pictogram.grid import Grid
from ediffi.pictogram.lab import Floats
from ediffi.pictogram.scene import Background, Item, Scene
from studies.colours import dominant_colour
from studies.first_weights_rows import FixedPrompt
from studies.nearest_mean import NearestMean

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

    def picture(self, row: FixedPrompt, size: int) -> Pixels:
        """The real drawing that a prompt names: (size, size, 3) uint8."""
        return self._render(row.hexcode, row.style, row.background, size)

    def dominant_colours(self, hexcode: str, background: str) -> dict[str, Floats | None]:
        """By style, measured as an output's would be: at 64 px on the same background."""
        return {
            style: dominant_colour(self._render(hexcode, style, background, 64))
            for style in self._drawn(hexcode)
        }

    def labelled(self, hexcodes: Sequence[str]) -> tuple[list[Pixels], list[str], list[str]]:
        """Pictures to fit a judge on, the hexcode and the style of each.

        Every cell twice, on two backgrounds that it stands out on: once drawn at 224 px and once
        at 64 px, because outputs of the base are of that kind.
        """
        rng = Random("judge")
        cells = [(hexcode, style) for hexcode in hexcodes for style in self._drawn(hexcode)]
        pictures = []
        for hexcode, style in cells:
            names = visible_backgrounds(self.grid.cells[hexcode, style])
            for background, size in zip(rng.sample(names, 2), (SIDE, 64), strict=True):
                pictures.append(self._render(hexcode, style, background, size))
        labels = [(h, s) for h, s in cells for _ in range(2)]
        return pictures, [h for h, _ in labels], [s for _, s in labels]

    def _drawn(self, hexcode: str) -> list[str]:
        return [style for style in self.styles if (hexcode, style) in self.grid.cells]

    def _render(self, hexcode: str, style: str, background: str, size: int) -> Pixels:
        return self.composer.render(real_scene(self.grid, hexcode, style, background), size)


def fit_judge(
    reference: Reference, hexcodes: Sequence[str], extractor: EfficientNetLite0
) -> tuple[NearestMean, dict[str, float]]:
    """A judge of the concepts, and how well it would do in a style that it has not seen.

    Returns the judge fitted on all styles, and the mean over styles of its accuracy on one when
    fitted on the others; nothing of that if there is only one style.
    """
    pictures, labels, styles = reference.labelled(hexcodes)
    features, own = extractor(pictures), np.array(labels)
    scores = []
    names = sorted(set(styles))
    for style in names if len(names) > 1 else ():
        inside = np.array([s == style for s in styles])
        judge = NearestMean.fit(features[~inside], own[~inside].tolist())
        scores.append(judge.tops(features[inside], own[inside].tolist()))
    unseen = {k: float(np.mean([score[k] for score in scores])) for k in ("top1", "top5") if scores}
    return NearestMean.fit(features, labels), unseen


def judged_by(grid: Grid, extractor: EfficientNetLite0) -> dict[str, Any]:
    """What `fit_judge` depends on, for the protocol."""
    return {
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
    return Scene(0, "single", Background("plain", (background,)), (item,))
