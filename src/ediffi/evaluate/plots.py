"""Records as plots: SVG files, the same bytes for the same record."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ediffi.core.errors import UserError
from ediffi.core.files import write_atomically

Curve = Sequence[dict[str, Any]]
"""The points of a record, one for each guidance scale."""


def plot_record(record: dict[str, Any], folder: Path) -> list[Path]:
    """Write what a record can show: distance against text-picture score over guidance (as in
    eDiff-I's figures), and judges over guidance; nothing for a single scale."""
    curve, real, names = record["curve"], record["real"], record["protocol"]["names"]
    if len(curve) < 2:
        return []
    written = []
    for kind in ("fd", "kid"):
        if kind in curve[0] and "clip" in curve[0]:
            written.append(folder / f"{kind}-clip.svg")
            curves, floor = {record["protocol"]["model"]: curve}, _distance(real["prompts"], kind)
            trade_off(curves, kind, names, written[-1], floor=floor)
    judged = [name for name in ("concept", "style") if name in curve[0]]
    if judged:
        written.append(folder / "judges.svg")
        _judges(curve, real["prompts"], judged, written[-1])
    return written


def trade_off(
    curves: Mapping[str, Curve],
    kind: str,
    names: dict[str, str],
    path: Path,
    *,
    floor: float | None = None,
) -> None:
    """Distance against text-picture score, a line for each name and a point for each scale."""

    def fill(axes: Any) -> None:
        for name, curve in curves.items():
            xs = [point["clip"]["cosine"] for point in curve]
            ys = [_distance(point, kind) for point in curve]
            errors = None
            if kind == "kid":
                kids = [point["kid"] for point in curve]
                errors = [[abs(k["value"] - k[end]) for k in kids] for end in ("low", "high")]
            axes.errorbar(xs, ys, yerr=errors, marker="o", capsize=2, label=name)
            for x, y, point in zip(xs, ys, curve, strict=True):
                place = {"textcoords": "offset points", "xytext": (5, 4), "fontsize": 8}
                axes.annotate(f"{point['guidance']:g}", (x, y), **place)
        if floor is not None:
            axes.axhline(floor, color="grey", linewidth=0.8, linestyle="--", label="real pictures")
        axes.set_xlabel(f"{names['clip']} (cosine)")
        axes.set_ylabel(names[kind] + (" x 1000" if kind == "kid" else ""))

    _plot(path, fill)


def lines(
    path: Path, curves: Mapping[str, Sequence[tuple[float, float]]], *, x: str, y: str
) -> None:
    """A line through the points of each name; x on a logarithmic axis."""

    def fill(axes: Any) -> None:
        for name, points in curves.items():
            axes.plot(*zip(*points, strict=True), marker="o", label=name)
        axes.set_xscale("log")
        axes.set_xlabel(x)
        axes.set_ylabel(y)

    _plot(path, fill)


def _judges(curve: Curve, real: dict[str, Any], names: Sequence[str], path: Path) -> None:
    """Shares that judges recognise, over guidance."""

    def fill(axes: Any) -> None:
        scales = [point["guidance"] for point in curve]
        for name in names:
            shares = [point[name]["top1"]["share"] for point in curve]
            line = axes.plot(scales, shares, marker="o", label=f"{name}, top 1")[0]
            ceiling = real[name]["top1"]["share"]
            axes.axhline(ceiling, color=line.get_color(), linewidth=0.8, linestyle="--")
        axes.set_xlabel("guidance scale")
        axes.set_ylabel("share of pictures (dashed: real ones)")
        axes.set_ylim(0, 1.02)

    _plot(path, fill)


def _distance(point: dict[str, Any], kind: str) -> float:
    return float(point["fd"]["distance"] if kind == "fd" else point["kid"]["value"])


def _plot(path: Path, fill: Callable[[Any], None]) -> None:
    """An SVG without dates and random names."""
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UserError(f"plots need {error.name}: run: pip install 'ediffi[evaluate]'") from error
    figure = Figure(figsize=(5.5, 4))
    axes = figure.subplots()
    fill(axes)
    axes.legend()
    buffer = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "ediffi"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None}, bbox_inches="tight")
    write_atomically(path, buffer.getvalue())
