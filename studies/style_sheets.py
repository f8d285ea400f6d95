"""Contact sheets of the protocol `style`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ediffi.core.types import Pixels
from studies.sheets import save_sheet
from studies.style_rows import StylePrompt

SHOWN = 96  # pixels of a side


def style_sheet(
    path: Path, rows: Sequence[StylePrompt], pictures: Sequence[Pixels], shown: Sequence[Pixels]
) -> None:
    """A line for each style: a reference (those of the first prompt), then every prompt."""
    styles = list(dict.fromkeys(row.style for row in rows))
    cells, captions = [], []
    for style in styles:
        mine = [n for n, row in enumerate(rows) if row.style == style]
        cells += [shown[mine[0]], *(pictures[n] for n in mine)]
        captions += [f"{style} (a reference)", *(rows[n].prompt for n in mine)]
    save_sheet(path, cells, captions, side=SHOWN, columns=len(cells) // len(styles))


def role_sheet(
    path: Path, rows: Sequence[StylePrompt], arms: Mapping[str, Sequence[Pixels]]
) -> None:
    """A line for each set of roles, a column for each prompt; one seed."""
    cells, captions = [], []
    for name, pictures in arms.items():
        cells += list(pictures[: len(rows)])
        captions += [f"{name}: {row.prompt}" for row in rows]
    save_sheet(path, cells, captions, side=SHOWN, columns=len(rows))


def reference_sheet(
    path: Path,
    names: Sequence[str],
    prompts: Sequence[StylePrompt],
    pictures: Sequence[Pixels],
) -> None:
    """A line for each reference, by its name alone (its licence is its owner's)."""
    captions = [f"{name}: {row.prompt}" for name in names for row in prompts]
    save_sheet(path, pictures, captions, side=SHOWN, columns=len(prompts))
