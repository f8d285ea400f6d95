"""Building the pictogram grid: fetch, join, render every drawing once, write four files.

grid.json      concepts, styles with licences, cells, counts
drawings.bin   the source pictures (SVG bodies compressed one by one, WebP as they came)
sprites.bin    every drawing trimmed and rendered at 256 px
packages/      the archives as fetched
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import signal
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ediffi.core.errors import UserError
from ediffi.data import heldout
from ediffi.data.exclusions import Exclusions
from ediffi.pictogram.join import (
    Concept,
    Drawing,
    Names,
    iconify_drawings,
    read_concepts,
    read_json,
    read_variants,
    webp_drawings,
)
from ediffi.pictogram.palette import main_colour
from ediffi.pictogram.rasterize import (
    BrokenDrawing,
    Rect,
    encode_sprite,
    trimmed_raster,
    trimmed_svg,
)
from ediffi.pictogram.sources import PICTOGRAM, Package, fetch

FORMAT = 1  # raise it when the meaning of the files changes: older grids are then rebuilt


@dataclass(frozen=True)
class Rendered:
    """What one drawing became. source: as it is kept; error: why it is skipped, else None."""

    source: bytes = b""
    sprite: bytes = b""
    box: Rect = (0, 0, 0, 0)
    colour: str | None = None
    mean: tuple[int, int, int] = (0, 0, 0)
    error: str | None = None


def render(drawing: Drawing) -> Rendered:
    """Render a drawing once, and learn its box, main colour and mean colour."""
    try:
        if drawing.format == "svg":
            pixels, box = trimmed_svg(drawing.data.decode(), drawing.view)
        else:
            pixels, box = trimmed_raster(drawing.data)
    except BrokenDrawing as error:
        return Rendered(error=str(error))
    small = np.asarray(Image.fromarray(np.ascontiguousarray(pixels), "RGBa").reduce(8))
    weight = max(1, int(small[..., 3].sum()))
    mean = (small[..., :3].reshape(-1, 3).sum(0, dtype=np.int64) * 255 / weight).round()
    red, green, blue = (min(255, int(c)) for c in mean)
    source = zlib.compress(drawing.data, 9) if drawing.format == "svg" else drawing.data
    sprite, colour = encode_sprite(pixels), main_colour(small)
    return Rendered(source, sprite, box, colour, (red, green, blue))


def _quiet_worker() -> None:
    """Ctrl-C is the parent's to handle, and resvg's panics (which are retried) are not news. A
    worker ends with its parent, however that ends."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _render_all(drawings: Sequence[Drawing], workers: int) -> Iterator[Rendered]:
    if workers <= 1:
        yield from map(render, drawings)
        return
    context = multiprocessing.get_context("spawn")  # fork is unsafe beside a thread pool
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_quiet_worker)
    try:
        yield from pool.map(render, drawings, chunksize=8)
    except BrokenProcessPool as error:
        raise UserError(
            "a process that renders was ended from outside, perhaps for want of memory: "
            "build again, with fewer --workers"
        ) from error
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def collect(
    packages: Sequence[Package], archives: dict[str, Path], *, variants: bool = False
) -> tuple[dict[Concept, str | None], list[Drawing]]:
    """Concepts and drawings of the fetched packages, sets with code point tables joined first.

    variants: those of people instead of the concepts; each concept comes with what it varies.
    """
    base = next((p for p in packages if p.style is None), None)
    if base is None:
        raise ValueError("the packages have no emojibase-data: nothing to name the pictures by")
    archive = archives[base.name]
    bases = read_variants(archive) if variants else dict.fromkeys(read_concepts(archive))
    concepts = list(bases)
    names = Names(archives[base.name])
    sets = [p for p in packages if p.style]
    sets.sort(key=lambda p: not read_json(archives[p.name], "chars.json"))
    by_style: dict[str, list[Drawing]] = {}
    for package in sets:
        style, archive = package.style or "", archives[package.name]
        if read_json(archive, "icons.json"):
            by_style[style] = iconify_drawings(archive, style, concepts, names)
        else:
            by_style[style] = webp_drawings(archive, style, concepts)
    ordered = [drawing for p in packages if p.style for drawing in by_style[p.style]]
    return bases, ordered


class _Blob:
    """A file of byte strings end to end, written under a temporary name."""

    def __init__(self, path: Path) -> None:
        self.path, self.part = path, path.with_name(path.name + ".part")
        self.file = self.part.open("wb")
        self.sha = hashlib.sha256()

    def add(self, data: bytes) -> tuple[int, int]:
        offset = self.file.tell()
        self.file.write(data)
        self.sha.update(data)
        return offset, len(data)

    def close(self) -> None:
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()

    def discard(self) -> None:
        with suppress(OSError):  # a full disk refuses even to close; that must not hide the reason
            self.file.close()
        with suppress(OSError):
            self.part.unlink()


@contextmanager
def _replacing(paths: Sequence[Path]) -> Iterator[list[_Blob]]:
    """Blobs that take the places of these files, in order, once all of them are whole."""
    blobs: list[_Blob] = []
    try:
        for path in paths:
            blobs.append(_Blob(path))
        yield blobs
        for blob in blobs:
            blob.close()
        for blob in blobs:
            blob.part.rename(blob.path)
    except BaseException:
        for blob in blobs:
            blob.discard()
        raise


def _cell(drawing: Drawing, done: Rendered, source: tuple[int, int], sprite: Any) -> dict[str, Any]:
    return {
        "hexcode": drawing.hexcode,
        "style": drawing.style,
        "name": drawing.name,
        "format": drawing.format,
        "source": source,
        "sprite": sprite,
        "box": [round(v, 6) for v in done.box],
        "colour": done.colour,
        "mean": done.mean,
    }


def counts(bases: Mapping[Concept, str | None], cells: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The numbers that describe a grid. bases: its concepts, and what each is a variant of."""
    roots = {concept.hexcode: (concept.hexcode, base) for concept, base in bases.items()}
    per_style: dict[str, int] = {}
    for cell in cells:
        per_style[cell["style"]] = per_style.get(cell["style"], 0) + 1
    return {
        "concepts": len(bases),
        "styles": len(per_style),
        "cells": len(cells),
        "cells_per_style": per_style,
        "held_out_concepts": sum(
            any(heldout.is_concept_held_out(h) for h in own if h) for own in roots.values()
        ),
        "held_out_cells": sum(
            any(heldout.is_held_out(h, c["style"]) for h in roots[c["hexcode"]] if h) for c in cells
        ),
    }


def fingerprint(
    packages: Sequence[Package], *, variants: bool = False, exclude: Exclusions | None = None
) -> str:
    """Names what a grid is built from; two grids with one fingerprint are the same bytes."""
    text = "|".join(
        [
            str(FORMAT),
            *(["variants"] if variants else []),
            *(p.sha256 for p in packages),
            *(exclude.lines if exclude else []),
        ]
    )
    return hashlib.sha256(text.encode()).hexdigest()


def _kept(
    drawings: Sequence[Drawing],
    concepts: Mapping[Concept, str | None],
    packages: Sequence[Package],
    exclude: Exclusions,
) -> tuple[list[Drawing], dict[str, int]]:
    """The drawings that may stay, and how many each line of the exclusions took."""
    labels = {concept.hexcode: concept.label for concept in concepts}
    by_style = {package.style: package for package in packages}
    taken: dict[str, int] = dict.fromkeys(exclude.lines, 0)
    kept = []
    for drawing in drawings:
        package = by_style[drawing.style]
        line = exclude.excluding(
            picture=f"{drawing.hexcode}/{drawing.style}",
            concept=labels[drawing.hexcode],
            style=drawing.style,
            source=f"{package.name} {package.version}",
            licence=package.licence,
        )
        if line is None:
            kept.append(drawing)
        else:
            taken[line] += 1
    return kept, taken


def is_built(
    target: Path,
    packages: Sequence[Package] = PICTOGRAM,
    *,
    variants: bool = False,
    exclude: Exclusions | None = None,
) -> bool:
    """True when `target` holds a finished grid of exactly these packages."""
    try:
        meta = json.loads((target / "grid.json").read_text())
        sizes = {name: (target / name).stat().st_size for name in meta["files"]}
    except (OSError, ValueError, KeyError):
        return False
    whole = all(sizes[name] == file["bytes"] for name, file in meta["files"].items())
    return bool(
        whole and meta["fingerprint"] == fingerprint(packages, variants=variants, exclude=exclude)
    )


def build(
    target: Path,
    *,
    source: Path | None = None,
    packages: Sequence[Package] = PICTOGRAM,
    archives: Path | None = None,
    variants: bool = False,
    exclude: Exclusions | None = None,
    workers: int | None = None,
    on_package: Callable[[Package, bool], None] = lambda package, fetched: None,
    on_cell: Callable[[int, int], None] = lambda done, total: None,
    on_broken: Callable[[str], None] = lambda message: None,
) -> dict[str, Any]:
    """Build the grid into `target` and return its counts. Nothing is replaced until all is done.

    source: folder of .tgz files, or None for `npm pack`; archives: where they are kept, by default
    in `target`; variants: of people instead of the concepts; exclude: drawings that stay out;
    workers: processes that render, None for one a core, the bytes are the same.
    on_cell(done, total) after each drawing; on_broken(message) for each drawing that is skipped
    because it does not render.

    Raises:
        UserError: a package is missing or a wrong one, or `target` cannot be written.
    """
    try:
        folder = archives or target / "packages"
        fetched = fetch(packages, folder, source=source, on_done=on_package)
        bases, drawings = collect(packages, fetched, variants=variants)
        excluded: dict[str, int] = {}
        if exclude is not None:
            drawings, excluded = _kept(drawings, bases, packages, exclude)
        target.mkdir(parents=True, exist_ok=True)
        paths = [target / name for name in ("drawings.bin", "sprites.bin", "grid.json")]
        with _replacing(paths) as (sources, sprites, listing):
            cells, broken = [], []
            results = _render_all(drawings, workers or os.cpu_count() or 1)
            for number, (drawing, done) in enumerate(zip(drawings, results, strict=True), 1):
                if done.error:
                    broken.append(f"{drawing.style}/{drawing.name}: {done.error}")
                    on_broken(broken[-1])
                else:
                    kept = sources.add(done.source), sprites.add(done.sprite)
                    cells.append(_cell(drawing, done, *kept))
                on_cell(number, len(drawings))
            if not cells:
                raise UserError("no drawing of these packages could be used: nothing was built")
            meta = _listing(packages, bases, cells, broken, (sources, sprites), variants=variants)
            if exclude is not None:
                mark = fingerprint(packages, variants=variants, exclude=exclude)
                meta |= {"fingerprint": mark, "excluded": excluded}
            listing.add(json.dumps(meta, ensure_ascii=False, separators=(",", ":")).encode())
    except OSError as error:
        raise UserError(
            f"cannot build the grid in {target}: {error}. "
            "Free some space or choose another folder, then build again"
        ) from error
    numbers: dict[str, Any] = meta["counts"]
    return numbers


def _listing(
    packages: Sequence[Package],
    bases: Mapping[Concept, str | None],
    cells: list[dict[str, Any]],
    broken: list[str],
    blobs: Sequence[_Blob],
    *,
    variants: bool,
) -> dict[str, Any]:
    """What grid.json holds."""
    files = {b.path.name: {"bytes": b.file.tell(), "sha256": b.sha.hexdigest()} for b in blobs}
    listing = {
        "format": FORMAT,
        "fingerprint": fingerprint(packages, variants=variants),
        "counts": {**counts(bases, cells), "broken": len(broken)},
        "broken": broken,
        "files": files,
        "packages": [asdict(p) for p in packages],
        "concepts": [asdict(c) for c in bases],
        "cells": cells,
    }
    return listing | ({"bases": {c.hexcode: b for c, b in bases.items()}} if variants else {})
