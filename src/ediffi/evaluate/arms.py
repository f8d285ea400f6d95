"""Models that differ in one thing, each trained with several seeds: their records side by side."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from ediffi.core.errors import UserError
from ediffi.core.files import write_atomically
from ediffi.evaluate.plots import trade_off
from ediffi.evaluate.report import table

FIGURES = {  # of a point of a curve: where it stands, its title, its unit
    "fd": (("fd", "distance"), "FD", 1.0),
    "kid": (("kid", "value"), "KID x 1000", 1000.0),
    "clip": (("clip", "cosine"), "text-picture score", 1.0),
    "concept": (("concept", "top1", "share"), "concepts named, %", 100.0),
}
OF_THE_MODEL = ("model", "model_hash", "images_seen")  # in a protocol


def write_comparison(
    folder: Path, records: Mapping[str, Sequence[Path]], titles: Mapping[str, str]
) -> str:
    """Write experts.json, experts.md and a plot of distance against score to a folder.

    records: of every arm, one for each seed, in the same order of seeds; titles: of arms.

    Returns:
        the table: a row an arm and scale, each figure's mean over seeds and its range, and how far
        it is from the arm `parent` with the same seed and scale.

    Raises:
        UserError: the records are not of one protocol.
    """
    curves = {arm: [_curve(path) for path in paths] for arm, paths in records.items()}
    protocols = {_protocol(path) for paths in records.values() for path in paths}
    if len(protocols) > 1:
        raise UserError("the arms were evaluated by different protocols: delete evaluation folders")
    kinds = [kind for kind in FIGURES if all(kind in c[0] for cs in curves.values() for c in cs)]
    rows = [["arm", "guidance", *(f"{FIGURES[k][1]} (range)" for k in kinds)]]
    for arm, seeds in curves.items():
        for number, point in enumerate(seeds[0]):
            cells = [_cell(curves, arm, number, kind) for kind in kinds]
            rows.append([titles.get(arm, arm), f"{point['guidance']:g}", *cells])
    text = table(rows)
    first = json.loads(next(iter(records.values()))[0].read_text())
    if {"fd", "clip"} <= set(kinds) and len(next(iter(curves.values()))[0]) > 1:
        drawn = {titles.get(arm, arm): seeds[0] for arm, seeds in curves.items()}
        trade_off(drawn, "fd", first["protocol"]["names"], folder / "experts.svg")
    write_atomically(folder / "experts.md", (text + "\n").encode())
    record = {"protocol": first["protocol"], "curves": curves}
    write_atomically(folder / "experts.json", (json.dumps(record, indent=1) + "\n").encode())
    return text


def _curve(path: Path) -> list[dict[str, Any]]:
    curve: list[dict[str, Any]] = json.loads(path.read_text())["curve"]
    return curve


def _protocol(path: Path) -> str:
    """All of it but which model it was."""
    protocol = json.loads(path.read_text())["protocol"]
    return json.dumps({k: v for k, v in protocol.items() if k not in OF_THE_MODEL})


def _value(point: Mapping[str, Any], kind: str) -> float:
    keys, _, unit = FIGURES[kind]
    value: Any = point
    for key in keys:
        value = value[key]
    return float(value) * unit


def _cell(
    curves: Mapping[str, Sequence[Sequence[Mapping[str, Any]]]], arm: str, number: int, kind: str
) -> str:
    """Mean over seeds, range, and the mean difference from the parent that was trained on."""
    values = [_value(seed[number], kind) for seed in curves[arm]]
    text = f"{mean(values):.3g}"
    if len(values) > 1:
        text += f" ({min(values):.3g} to {max(values):.3g})"
    if arm != "parent" and "parent" in curves:
        before = [_value(seed[number], kind) for seed in curves["parent"]]
        gains = [a - b for a, b in zip(values, before, strict=False)]
        text += f", {mean(gains):+.2g}"
    return text
