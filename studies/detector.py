"""Do pictures without a mark look like this model's? The detector is fitted, and judged on scenes
and changes that it was not fitted on.

The model draws the captions of scenes; the scenes' own vectors are the pictures it is not to be
blamed for. So both show the same things. Neither other models' pictures nor photographs are here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ediffi.core.files import make_folder
from ediffi.core.pictures import open_picture
from ediffi.core.pixels import to_uint8
from ediffi.core.types import Pixels
from ediffi.model import Cascade
from ediffi.pictogram.scenes import Scenes
from ediffi.trust.detector import Detector, features
from ediffi.trust.watermark.transformations import Transformation, compressed, scaled

FIRST = 200_000  # number of the first scene, beyond those that stages were trained on
BATCH = 8
FITTED: dict[str, Transformation] = {
    "as it is": lambda p, rng: p,
    "JPEG 90": lambda p, rng: compressed(p, "JPEG", 90),
    "JPEG 60": lambda p, rng: compressed(p, "JPEG", 60),
    "WebP 90": lambda p, rng: compressed(p, "WEBP", 90),
}
HELD_OUT: dict[str, Transformation] = {
    "as it is": lambda p, rng: p,
    "JPEG 75": lambda p, rng: compressed(p, "JPEG", 75),
    "JPEG 40": lambda p, rng: compressed(p, "JPEG", 40),
    "WebP 70": lambda p, rng: compressed(p, "WEBP", 70),
    "half size": lambda p, rng: scaled(p, 0.5),
    "half size, JPEG 75": lambda p, rng: compressed(scaled(p, 0.5), "JPEG", 75),
}
Report = Callable[[str, int, int], None]


def run(
    model: str, scenes: Scenes, folder: Path, num: int, size: int, report: Report
) -> tuple[Detector, dict[str, Any]]:
    """Fit on the first half of `num` scenes, choose the threshold on the next quarter, judge on the
    last. folder: keeps what the model drew."""
    drawn = _drawn(model, scenes, folder / f"drawn-{size}", num, size, report)
    real = []
    for n in range(num):
        real.append(scenes.pixels(FIRST + n, size))
        report("scenes", 1, num)
    half, last = num // 2, num - num // 4
    detector = Detector.fit(
        _features(drawn[:half], FITTED, report), _features(real[:half], FITTED, report)
    )
    chosen = detector.logits(_features(real[half:last], FITTED, report))
    detector = replace(detector, threshold=float(chosen.quantile(0.99)))
    rows = {}
    for name, change in HELD_OUT.items():
        here = {name: change}
        yes = detector.logits(_features(drawn[last:], here, report))
        no = detector.logits(_features(real[last:], here, report))
        rows[name] = {
            "auc": auc(yes, no),
            "found": float((yes > detector.threshold).float().mean()),
            "false": float((no > detector.threshold).float().mean()),
        }
    return detector, {"size": size, "judged": num - last, "fitted": half, "rows": rows}


def auc(yes: Tensor, no: Tensor) -> float:
    """Area under the ROC: how often a drawn picture lies above a real one."""
    above = (yes[:, None] > no[None]).float() + 0.5 * (yes[:, None] == no[None]).float()
    return float(above.mean())


def table(results: dict[str, Any]) -> str:
    """As Markdown."""
    lines = ["| change | AUC | found | vectors blamed |", "|---|---|---|---|"]
    for name, row in results["rows"].items():
        lines.append(f"| {name} | {row['auc']:.3f} | {row['found']:.0%} | {row['false']:.0%} |")
    return "\n".join(lines)


def _drawn(
    model: str, scenes: Scenes, folder: Path, num: int, size: int, report: Report
) -> list[Pixels]:
    """The captions of scenes, as the model draws them; kept as files."""
    make_folder(folder)
    paths = [folder / f"{FIRST + n}.png" for n in range(num)]
    missing = [n for n, path in enumerate(paths) if not path.is_file()]
    cascade = Cascade.from_pretrained(model) if missing else None
    for start in range(0, len(missing), BATCH):
        some = missing[start : start + BATCH]
        assert cascade is not None
        said = [scenes.captions(FIRST + n)[0] for n in some]
        images = cascade.generate(said, seeds=[FIRST + n for n in some], stop_at=size)
        for n, pixels in zip(some, to_uint8(images), strict=True):
            Image.fromarray(pixels).save(paths[n])
            report("drawing", 1, len(missing))
    return [np.asarray(open_picture(path)) for path in paths]


def _features(
    pictures: Sequence[Pixels], changes: dict[str, Transformation], report: Report
) -> Tensor:
    rows = []
    for change in changes.values():
        for number, pixels in enumerate(pictures):
            after = change(Image.fromarray(pixels), Random(number))
            rows.append(features([np.asarray(after)]))
            report("features", 1, len(pictures) * len(changes))
    return torch.cat(rows)
