"""The mark in the pixels: what it outlives, and whether it is found where none is. What signing
costs.

Pictures are vector scenes of the grid that the mark's training did not see, and pictures that a
model has drawn, where a folder of them is given.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image

from ediffi.core.pictures import open_picture
from ediffi.core.types import Pixels
from ediffi.output import encode_picture
from ediffi.pictogram.scenes import Scenes
from ediffi.trust.keys import create_keys
from ediffi.trust.provenance import Provenance
from ediffi.trust.watermark.code import payload_of
from ediffi.trust.watermark.mark import Watermark
from ediffi.trust.watermark.transformations import TRANSFORMATIONS

SIDE = 1024
UNSEEN = 10**6  # number of the first scene that no training has seen
MODEL_HASH = "bb3dc6"
SEARCHED = ("50 % crop", "90 % crop, enlarged")  # what only a search of all sizes can find
Report = Callable[[str, int, int], None]


@dataclass
class Row:
    """What became of the mark in some pictures. found: those where it was read rightly; wrong: bits
    read wrong, of those found; seconds: of looking."""

    pictures: int = 0
    found: int = 0
    wrong: list[int] = field(default_factory=list)
    seconds: float = 0.0


def run(
    watermark: Watermark,
    scenes: Scenes,
    drawn: Path | None,
    *,
    marked: int,
    unmarked: int,
    searched: int,
    report: Report,
) -> dict[str, Any]:
    """marked, unmarked: pictures of each kind; searched: unmarked ones that are searched at all
    sizes."""
    pictures = [*_drawn(drawn)][:marked]
    num_drawn = len(pictures)
    rest = (scenes.pixels(UNSEEN + n, SIDE) for n in range(marked - num_drawn))
    rows = {name: Row() for name in ("as it is", *TRANSFORMATIONS)}
    quality: list[float] = []
    for number, pixels in enumerate(_both(pictures, rest)):
        report("marked", 1, marked)
        payload = payload_of(MODEL_HASH, pixels)
        with_mark = watermark.embed(pixels, payload)
        quality.append(psnr(pixels, with_mark))
        for name, row in rows.items():
            shown = _changed(with_mark, name, number)
            start = time.process_time()
            found = watermark.find(shown, thorough=name in SEARCHED)
            row.seconds += time.process_time() - start
            row.pictures += 1
            if found is not None and found.payload == payload:
                row.found += 1
                row.wrong.append(found.wrong)
    false = searched_false = 0
    for number in range(unmarked):
        report("unmarked", 1, unmarked)
        pixels = scenes.pixels(UNSEEN + marked + number, 256)
        thorough = number < searched
        hit = watermark.find(pixels, thorough=thorough) is not None
        false += hit
        searched_false += hit and thorough
    return {
        "pictures": {"drawn by the model": num_drawn, "scenes": marked - num_drawn},
        "psnr": {"mean": float(np.mean(quality)), "least": float(np.min(quality))},
        "rows": {
            name: {
                "pictures": row.pictures,
                "found": row.found,
                "wrong_bits": float(np.mean(row.wrong)) / 128 if row.wrong else None,
                "seconds": row.seconds / row.pictures,
            }
            for name, row in rows.items()
        },
        "unmarked": {"pictures": unmarked, "found": false},
        "unmarked, all sizes searched": {"pictures": searched, "found": searched_false},
        "signing": signing_seconds(),
    }


def psnr(one: Pixels, other: Pixels) -> float:
    """In dB, of 255 levels."""
    error = np.square(one.astype(np.float64) - other).mean()
    return float(10 * np.log10(255**2 / error))


def signing_seconds(repeats: int = 5) -> dict[str, float]:
    """Median seconds of this machine that a signature adds to a PNG of 1024 pixels, and bytes."""
    pixels = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    parameters = {"model": "pictogram", "model_hash": "0" * 64}
    with TemporaryDirectory() as folder:
        signed = Provenance(create_keys(Path(folder), "a study"))
        times: dict[str, list[float]] = {"plain": [], "signed": []}
        sizes = {}
        for _ in range(repeats + 1):  # the first one loads libraries
            for name, provenance in (("plain", Provenance()), ("signed", signed)):
                start = time.perf_counter()
                data = encode_picture(pixels, "PNG", parameters, provenance=provenance)
                times[name].append(time.perf_counter() - start)
                sizes[name] = len(data)
    added = np.median(times["signed"][1:]) - np.median(times["plain"][1:])
    return {"seconds": float(added), "bytes": float(sizes["signed"] - sizes["plain"])}


def table(results: dict[str, Any]) -> str:
    """As Markdown."""
    lines = [
        "| change | pictures | mark found | bits wrong | seconds to look |",
        "|---|---|---|---|---|",
    ]
    for name, row in results["rows"].items():
        wrong = "-" if row["wrong_bits"] is None else f"{row['wrong_bits']:.2%}"
        lines.append(
            f"| {name} | {row['pictures']} | {row['found'] / row['pictures']:.1%} | {wrong} | "
            f"{row['seconds']:.2f} |"
        )
    return "\n".join(lines)


def _changed(pixels: Pixels, name: str, seed: int) -> Pixels:
    if name == "as it is":
        return pixels
    return np.asarray(TRANSFORMATIONS[name](Image.fromarray(pixels), Random(seed)))


def _drawn(folder: Path | None) -> Iterator[Pixels]:
    for path in sorted(folder.glob("*.png")) if folder is not None else ():
        yield np.asarray(open_picture(path))


def _both(first: Sequence[Pixels], second: Iterator[Pixels]) -> Iterator[Pixels]:
    yield from first
    yield from second
