"""The protocol `first-weights`: does a small model draw what it is asked for?

On fixed prompts with one thing on a plain background each: are the background and the thing's
dominant colour obeyed, does a judge recognise the concept; and are the upscalers' edges sharp?
Every figure stands beside a ceiling (real drawings measured alike) and a null (the same pictures
with the prompts exchanged).
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Sequence
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from ediffi.core.errors import UserError
from ediffi.core.files import write_atomically
from ediffi.core.pixels import from_uint8
from ediffi.evaluate.colours import background_name, dominant_colour, nearest_distance
from ediffi.evaluate.edges import colour_drift, compare_edges
from ediffi.evaluate.extractor import EfficientNetLite0
from ediffi.evaluate.judge import ConceptJudge
from ediffi.evaluate.pictures import Picture, Report, drawn
from ediffi.model import Cascade
from ediffi.pictogram.grid import Grid
from ediffi.pictogram.sheet import contact_sheet
from studies.prompts import FixedPrompt, read_prompts
from studies.reference import Reference, fit_judge, shared_facts

COLOUR_THRESHOLD = 20.0
"""Delta E within which a dominant colour counts as obeyed. Chosen before there were weights, on
real drawings of a wider vocabulary than the default one is now: there, 77 % were
that near to another style's drawing of the same concept, 21 % to one of another concept. Every
record holds its own ceiling and null."""
DTYPE = torch.bfloat16
HOW: dict[str, Any] = {"dtype": DTYPE, "looks": False}  # prompts as they stand
NUM_SHEET, NUM_WHOLE, NUM_UPSCALED = 64, 16, 16
BATCH = 16


def run(
    cascade: Cascade,
    prompts_file: Path | Traversable,
    out_dir: Path,
    *,
    grid: Grid | None = None,
    report: Report = lambda what, more, total: None,
) -> dict[str, Any]:
    """Draw, measure, and write `first-weights.json` and two WebP sheets to `out_dir`.

    Pictures are kept in out_dir/pictures-<model's hash>-<prompts' hash>: running it again goes on.

    Returns:
        What the JSON holds: {"protocol": ..., "background": ..., "dominant_colour": ...,
        "concept": ..., "upscalers": ...}.
    """
    rows = read_prompts(prompts_file)
    if len(rows) < 2:
        raise UserError(f"{prompts_file} has {len(rows)} prompts: the null needs at least two")
    grid = grid or Grid.load()
    reference = Reference(grid)
    extractor = EfficientNetLite0()
    digest = hashlib.sha256(prompts_file.read_bytes()).hexdigest()
    folder = out_dir / f"pictures-{(cascade.hash or 'unsaved')[:12]}-{digest[:12]}"
    base = _draw_base(cascade, rows, folder / "base", report)
    whole = _draw_whole(cascade, rows, folder / "whole", report)
    results: dict[str, Any] = {
        "protocol": {
            **_protocol(cascade, rows, grid, extractor),
            "prompts": prompts_file.name,
            "prompts_sha256": digest,
        },
        "background": _background(base, rows, reference),
        "dominant_colour": _dominant(base, rows, reference),
        "concept": _concept(base, whole, rows, reference, extractor, report),
        "upscalers": _upscalers(cascade, rows, reference, folder / "upscaled", report),
    }
    figures = json.dumps(results, indent=2) + "\n"
    write_atomically(out_dir / "first-weights.json", figures.encode())
    _sheet(out_dir / "first-weights-64.webp", base[:NUM_SHEET], rows, shown=128)
    _sheet(out_dir / "first-weights-1024.webp", whole, spread(rows, NUM_WHOLE), shown=384)
    return results


def spread(rows: Sequence[FixedPrompt], num: int) -> list[FixedPrompt]:
    """`num` of the rows, evenly spaced; all if there are fewer."""
    num = min(num, len(rows))
    return [rows[i * len(rows) // num] for i in range(num)]


def _draw_base(
    cascade: Cascade, rows: Sequence[FixedPrompt], folder: Path, report: Report
) -> list[Picture]:
    resolution = cascade.config.stages[0].resolution
    return drawn(
        folder,
        len(rows),
        lambda numbers: cascade.generate(
            [rows[n].prompt for n in numbers],
            seeds=[rows[n].seed for n in numbers],
            stop_at=resolution,
            **HOW,
        ),
        batch=BATCH,
        on_done=lambda more: report(f"{resolution} px pictures", more, len(rows)),
    )


def _draw_whole(
    cascade: Cascade, rows: Sequence[FixedPrompt], folder: Path, report: Report
) -> list[Picture]:
    chosen = spread(rows, NUM_WHOLE)
    return drawn(
        folder,
        len(chosen),
        lambda numbers: cascade.generate(
            [chosen[n].prompt for n in numbers],
            seeds=[chosen[n].seed for n in numbers],
            **HOW,
        ),
        batch=1,
        on_done=lambda more: report("whole cascade", more, len(chosen)),
    )


def _background(
    base: Sequence[Picture], rows: Sequence[FixedPrompt], reference: Reference
) -> dict[str, float]:
    names = [background_name(picture) for picture in base]
    asked = [row.background for row in rows]
    return {
        "obeyed": _share(a == b for a, b in zip(names, asked, strict=True)),
        "real": _share(background_name(reference.picture(r, 64)) == r.background for r in rows),
        "null": _share(a == b for a, b in zip(names, _exchanged(asked), strict=True)),
    }


def _dominant(
    base: Sequence[Picture], rows: Sequence[FixedPrompt], reference: Reference
) -> dict[str, float]:
    """Nearest of the real drawings of the concept in any style, or of another concept's (null).

    real_other_style: the asked style's drawing against those of the other styles.
    """
    own, null, real = [], [], []
    for picture, row, other in zip(base, rows, _exchanged(rows), strict=True):
        colour = dominant_colour(picture)
        colours = reference.dominant_colours(row.hexcode, row.background)
        strangers = reference.dominant_colours(other.hexcode, row.background)
        own.append(nearest_distance(colour, colours.values()))
        null.append(nearest_distance(colour, strangers.values()))
        colours.pop(row.style, None)
        asked = dominant_colour(reference.picture(row, 64))
        real.append(nearest_distance(asked, colours.values()))
    return {
        "threshold_delta_e": COLOUR_THRESHOLD,
        "obeyed": _share(d <= COLOUR_THRESHOLD for d in own),
        "null": _share(d <= COLOUR_THRESHOLD for d in null),
        "real_other_style": _share(d <= COLOUR_THRESHOLD for d in real),
        "median_delta_e": float(np.median(own)),
    }


def _concept(
    base: Sequence[Picture],
    whole: Sequence[Picture],
    rows: Sequence[FixedPrompt],
    reference: Reference,
    extractor: EfficientNetLite0,
    report: Report,
) -> dict[str, Any]:
    hexcodes = sorted({row.hexcode for row in rows})
    report("judge", 0, 1)
    judge, unseen_style = fit_judge(reference, hexcodes, extractor)
    report("judge", 1, 1)
    labels = [row.hexcode for row in rows]
    features = extractor(from_uint8(base))
    chance = 5 / len(hexcodes)
    own = judge_scores(judge, features, labels)
    return {
        "concepts": len(hexcodes),
        "chance_top5": chance,
        "times_chance_top5": own["top5"] / chance,
        "outputs": own,
        "outputs_whole_cascade": judge_scores(
            judge, extractor(from_uint8(whole)), [r.hexcode for r in spread(rows, NUM_WHOLE)]
        ),
        "null": judge_scores(judge, features, _exchanged(labels)),
        "real_64": judge_scores(judge, _real_features(reference, rows, 64, extractor), labels),
        "real_256": judge_scores(judge, _real_features(reference, rows, 256, extractor), labels),
        "real_unseen_style": unseen_style,
    }


def _real_features(
    reference: Reference, rows: Sequence[FixedPrompt], size: int, extractor: EfficientNetLite0
) -> Any:
    return extractor(from_uint8([reference.picture(row, size) for row in rows]))


def judge_scores(judge: ConceptJudge, features: Any, labels: Sequence[str]) -> dict[str, float]:
    """{"top1": ..., "top5": ...}."""
    return {f"top{k}": judge.accuracy(features, labels, k) for k in (1, 5)}


def _upscalers(
    cascade: Cascade,
    rows: Sequence[FixedPrompt],
    reference: Reference,
    folder: Path,
    report: Report,
) -> dict[str, Any]:
    """Real 64 px pictures through all upscalers, against the vectors' own renders."""
    chosen = spread(rows, NUM_UPSCALED)
    side = cascade.config.stages[-1].resolution
    low = [reference.picture(row, cascade.config.stages[0].resolution) for row in chosen]
    large = drawn(
        folder,
        len(chosen),
        lambda numbers: cascade.generate(
            chosen[numbers[0]].prompt, seeds=numbers, start_from=low[numbers[0]], **HOW
        ),
        batch=1,
        on_done=lambda more: report("upscaled real pictures", more, len(chosen)),
    )
    edges = [
        compare_edges(o, reference.picture(row, side)) for o, row in zip(large, chosen, strict=True)
    ]
    drift = [colour_drift(a, b) for a, b in zip(low, large, strict=True)]
    seen = [e for e in edges if e["found"] > 0]
    return {
        "pictures": len(chosen),
        "edge_width_px": float(np.median([e["output"] for e in seen])),
        "edge_width_px_reference": float(np.median([e["reference"] for e in seen])),
        "edge_width_ratio": float(np.median([e["output"] / e["reference"] for e in seen])),
        "edges_found": float(np.mean([e["found"] for e in edges])),
        "drift_mean_of_255": np.mean([d["mean"] for d in drift], axis=0).tolist(),
        "drift_worst_picture_of_255": float(np.abs([d["mean"] for d in drift]).max()),
        "drift_mean_absolute_of_255": np.mean([d["mean_absolute"] for d in drift], 0).tolist(),
        "by_picture": edges,
    }


def _protocol(
    cascade: Cascade, rows: Sequence[FixedPrompt], grid: Grid, extractor: EfficientNetLite0
) -> dict[str, Any]:
    return {
        "name": "first-weights",
        **shared_facts(cascade, grid, extractor, DTYPE),
        "images_seen": {stage.name: stage.images_seen for stage in cascade.config.stages},
        "sampling": {stage.name: stage.sampling.model_dump() for stage in cascade.config.stages},
        "num_prompts": len(rows),
        "num_held_out": sum(row.held_out for row in rows),
        "resize": "bicubic to 224 px, antialiased",
        "looks": HOW["looks"],
        "null": "each picture with the prompt half the list further",
    }


def _exchanged(values: Sequence[Any]) -> list[Any]:
    """Everyone gets the value of the one half the list further."""
    half = len(values) // 2
    return [*values[half:], *values[:half]]


def _share(answers: Any) -> float:
    return float(np.mean(list(answers)))


def _sheet(
    path: Path, pictures: Sequence[Picture], rows: Sequence[FixedPrompt], *, shown: int
) -> None:
    """Pictures at `shown` px with prompt and seed: small ones in whole pixels, large averaged."""
    resized = []
    for picture in pictures:
        how = Image.Resampling.NEAREST if len(picture) < shown else Image.Resampling.BOX
        resized.append(np.asarray(Image.fromarray(picture).resize((shown, shown), how)))
    captions = [f"{row.prompt} (seed {row.seed})" for row in rows[: len(pictures)]]
    file = io.BytesIO()
    contact_sheet(resized, captions, columns=4 if shown > 128 else 8).save(
        file, "WEBP", quality=85, method=6
    )
    write_atomically(path, file.getvalue())
