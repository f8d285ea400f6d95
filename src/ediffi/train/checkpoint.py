"""Checkpoints: everything a run needs to go on exactly, written so that a crash loses nothing.

A checkpoint is `<images>.safetensors` (weights, average, optimizer moments) and `<images>.json`
(config, hash of the tensors). Both are written under a temporary name, synced and renamed; the json
comes last, so a checkpoint with a json is whole. The last two are kept.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from ediffi.core.errors import UserError
from ediffi.core.files import file_sha256, replace_all

KEEP = 2


def save_checkpoint(
    run_dir: Path, images: int, tensors: dict[str, Tensor], meta: dict[str, Any]
) -> Path:
    """Write the checkpoint of a run after `images` images and delete those before the last two.

    Raises:
        UserError: the disk is full or the folder cannot be written; older checkpoints are intact.
    """
    path = run_dir / f"{images:010d}.safetensors"
    with writing(run_dir):
        data = save(tensors)
        meta = {**meta, "images": images, "sha256": hashlib.sha256(data).hexdigest()}
        replace_all({path: data, path.with_suffix(".json"): json.dumps(meta, indent=1).encode()})
    for old in found(run_dir)[KEEP:]:
        old.unlink(missing_ok=True)
        old.with_suffix(".safetensors").unlink(missing_ok=True)
    for part in run_dir.glob(".*.part"):  # of a process that was killed while it wrote
        part.unlink(missing_ok=True)
    return path


@contextmanager
def writing(run_dir: Path) -> Iterator[None]:
    """Make the folder and write to it; what the disk refuses becomes a `UserError`."""
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
        yield
    except (OSError, SafetensorError, UserError) as error:
        kept = found(run_dir)
        raise UserError(
            f"cannot write to the run's folder {run_dir}: {error}. "
            + (f"The last good checkpoint is {kept[0].stem}." if kept else "It has no checkpoint.")
            + " Free some space or choose another folder with --run, then run the same command."
        ) from error


def found(run_dir: Path) -> list[Path]:
    """The json files of the checkpoints in a folder, newest first."""
    return sorted(run_dir.glob("[0-9]*.json"), reverse=True)


def load_checkpoint(
    run_dir: Path, report: Callable[[str], None]
) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """The newest checkpoint that is whole, or None in a new folder.

    A damaged one is reported and the one before it is taken.

    Raises:
        UserError: checkpoints are there, but every one is damaged.
    """
    candidates = found(run_dir)
    for path in candidates:
        tensors = path.with_suffix(".safetensors")
        try:
            meta = json.loads(path.read_text())
            actual = file_sha256(tensors)
            if actual != meta["sha256"]:
                raise ValueError(f"sha256 is {actual}, {meta['sha256']} was written")
            return load_file(tensors), meta
        except (OSError, ValueError, KeyError, SafetensorError) as error:
            report(f"checkpoint {tensors} is damaged ({error}); trying the one before it")
    if candidates:
        raise UserError(
            f"every checkpoint in {run_dir} is damaged: delete the folder to start again"
        )
    return None
