"""Contact sheets of the protocol `style`."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from ediffi.core.files import write_atomically
from ediffi.evaluate.pictures import Picture
from ediffi.pictogram.sheet import contact_sheet
from studies.style_prompts import StylePrompt

SHOWN = 96  # pixels of a side


def style_sheet(
    path: Path, rows: Sequence[StylePrompt], pictures: Sequence[Picture], shown: Sequence[Picture]
) -> None:
    """A line for each style: a reference (those of the first prompt), then every prompt."""
    styles = list(dict.fromkeys(row.style for row in rows))
    cells, captions = [], []
    for style in styles:
        mine = [n for n, row in enumerate(rows) if row.style == style]
        cells += [shown[mine[0]], *(pictures[n] for n in mine)]
        captions += [f"{style} (a reference)", *(rows[n].prompt for n in mine)]
    _save(path, cells, captions, columns=len(cells) // len(styles))


def role_sheet(
    path: Path, rows: Sequence[StylePrompt], arms: Mapping[str, Sequence[Picture]]
) -> None:
    """A line for each set of roles, a column for each prompt; one seed."""
    cells, captions = [], []
    for name, pictures in arms.items():
        cells += list(pictures[: len(rows)])
        captions += [f"{name}: {row.prompt}" for row in rows]
    _save(path, cells, captions, columns=len(rows))


def reference_sheet(
    path: Path,
    names: Sequence[str],
    prompts: Sequence[StylePrompt],
    pictures: Sequence[Picture],
) -> None:
    """A line for each reference, by its name alone (its licence is its owner's)."""
    captions = [f"{name}: {row.prompt}" for name in names for row in prompts]
    _save(path, pictures, captions, columns=len(prompts))


def _save(
    path: Path, pictures: Sequence[Picture], captions: Sequence[str], *, columns: int
) -> None:
    resized = []
    for picture in pictures:
        how = Image.Resampling.NEAREST if len(picture) < SHOWN else Image.Resampling.BOX
        resized.append(np.asarray(Image.fromarray(picture).resize((SHOWN, SHOWN), how)))
    file = io.BytesIO()
    contact_sheet(resized, captions, columns=columns).save(file, "WEBP", quality=85, method=6)
    write_atomically(path, file.getvalue())
