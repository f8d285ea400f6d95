"""Records as pictures and as tables."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ediffi.core.errors import UserError
from ediffi.core.files import write_atomically


def pyplot() -> Any:
    """matplotlib without a screen, its SVG files free of dates and random names."""
    try:
        import matplotlib
    except ImportError as error:
        raise UserError(f"plots need {error.name}: run: pip install 'ediffi[evaluate]'") from error
    matplotlib.use("agg")
    matplotlib.rcParams["svg.hashsalt"] = "ediffi"
    import matplotlib.pyplot as plt

    return plt


def save_figure(figure: Any, path: Path) -> None:
    """Write an SVG, the same bytes for the same figure."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None}, bbox_inches="tight")
    write_atomically(path, buffer.getvalue())


def plot_record(record: dict[str, Any], folder: Path) -> list[Path]:
    """Write what a record can show: distance against text-picture score over guidance (as in
    eDiff-I's figures), and judges over guidance; nothing for a single scale."""
    curve = record["curve"]
    if len(curve) < 2:
        return []
    written = []
    for kind in ("fd", "kid"):
        if kind in curve[0] and "clip" in curve[0]:
            written.append(folder / f"{kind}-clip.svg")
            points = {record["protocol"]["model"]: curve}
            floor = _floor(record, kind)
            trade_off(points, kind, record["protocol"]["names"], written[-1], floor=floor)
    judged = [name for name in ("concept", "style") if name in curve[0]]
    if judged:
        written.append(folder / "judges.svg")
        _judges(record, judged, written[-1])
    return written


def trade_off(
    curves: dict[str, list[dict[str, Any]]],
    kind: str,
    names: dict[str, str],
    path: Path,
    *,
    floor: float | None = None,
) -> None:
    """Distance against text-picture score, a line for each name and a point for each scale."""
    plt = pyplot()
    figure, axes = plt.subplots(figsize=(5.5, 4))
    for name, curve in curves.items():
        xs = [point["clip"]["cosine"] for point in curve]
        ys = [distance_of(point, kind) for point in curve]
        errors = None
        if kind == "kid":
            errors = [[abs(p["kid"]["value"] - p["kid"][end]) for p in curve] for end in ENDS]
        axes.errorbar(xs, ys, yerr=errors, marker="o", capsize=2, label=name)
        for x, y, point in zip(xs, ys, curve, strict=True):
            place = {"textcoords": "offset points", "xytext": (5, 4), "fontsize": 8}
            axes.annotate(f"{point['guidance']:g}", (x, y), **place)
    if floor is not None:
        axes.axhline(floor, color="grey", linewidth=0.8, linestyle="--", label="real pictures")
    axes.set_xlabel(f"{names['clip']} (cosine)")
    axes.set_ylabel(names[kind] + (" x 1000" if kind == "kid" else ""))
    axes.legend()
    save_figure(figure, path)
    plt.close(figure)


ENDS = ("low", "high")


def distance_of(point: dict[str, Any], kind: str) -> float:
    """The figure of a curve's point that is plotted."""
    return float(point["fd"]["distance"] if kind == "fd" else point["kid"]["value"])


def _floor(record: dict[str, Any], kind: str) -> float:
    return distance_of(record["real"]["prompts"], kind)


def _judges(record: dict[str, Any], names: Sequence[str], path: Path) -> None:
    plt = pyplot()
    figure, axes = plt.subplots(figsize=(5.5, 4))
    curve = record["curve"]
    scales = [point["guidance"] for point in curve]
    for name in names:
        shares = [point[name]["top1"]["share"] for point in curve]
        line = axes.plot(scales, shares, marker="o", label=f"{name}, top 1")[0]
        ceiling = record["real"]["prompts"][name]["top1"]["share"]
        axes.axhline(ceiling, color=line.get_color(), linewidth=0.8, linestyle="--")
    axes.set_xlabel("guidance scale")
    axes.set_ylabel("share of pictures (dashed: real ones)")
    axes.set_ylim(0, 1.02)
    axes.legend()
    save_figure(figure, path)
    plt.close(figure)


def table(rows: Sequence[Sequence[str]]) -> str:
    """Markdown, first row the heads."""
    head, *body = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([head, "|" + "---|" * len(rows[0]), *body])


def summary(record: dict[str, Any]) -> str:
    """The main figures of a record as Markdown: a row a scale, real pictures last."""
    names = record["protocol"]["names"]
    curve, real = record["curve"], record["real"].get("prompts")
    columns = {
        "fd": names["fd"],
        "kid": f"{names['kid']} x 1000 (95 %)",
        "clip": f"{names['clip']}: cosine (null)",
        "concept": "concept top 1 / top 5 (null)",
        "style": "style top 1 (null)",
    }
    lines = []
    if curve:
        shown = [name for name in columns if name in curve[0]]
        rows = [["guidance", *(columns[name] for name in shown)]]
        points = [(f"{point['guidance']:g}", point) for point in curve]
        for scale, point in (*points, ("real pictures", real)):
            rows.append([scale, *(_cell(name, point[name]) for name in shown)])
        lines.append(table(rows))
    for name in ("compose", "diversity", "memorization", "layout"):
        if name in record:
            lines.append(f"\n{name} (guidance {record[name]['guidance']:g})\n")
            lines.append(_headline(name, record[name]))
    return "\n".join(lines)


def _cell(name: str, s: dict[str, Any]) -> str:
    if name == "fd":
        return f"{s['distance']:.2f}"
    if name == "kid":
        return f"{s['value']:.2f} ({s['low']:.2f} to {s['high']:.2f})"
    if name == "clip":
        return f"{s['cosine']:.3f} ({s['cosine_null']:.3f})"
    top5 = f" / {percent(s['top5']['share'])}" if "top5" in s else ""
    return f"{percent(s['top1']['share'])}{top5} ({percent(s['null_top1'])})"


def _headline(name: str, s: dict[str, Any]) -> str:
    if name == "compose":
        rows = [["prompts", "right", "outputs", "null", "real", "judged"]]
        for kind, answers in s["outputs"].items():
            for what, answer in answers.items():
                others = [percent(s[who][kind][what]["share"]) for who in ("null", "real")]
                label, own = what.replace("_", " "), percent(answer["share"])
                rows.append([kind, label, own, *others, str(answer["pictures"])])
        return table(rows)
    if name == "layout":
        return layout_table(s)
    flat = {k: percent(v["share"]) if isinstance(v, dict) else v for k, v in s.items()}
    rows = [["figure", "value"]]
    for key, value in flat.items():
        if key != "guidance":
            text = f"{value:.3f}" if isinstance(value, float) else str(value)
            rows.append([key.replace("_", " "), text])
    return table(rows)


def layout_table(s: dict[str, Any]) -> str:
    """Figures of painted layouts, a row a column of the protocol, and what is to be reached."""
    if not s["columns"]:
        return "no layout shows only things that the judge knows"
    rows = [["pictures", "right thing in its region", "all of a layout", "IoU with the painted"]]
    for name, column in (*s["columns"].items(), *s.get("sweep", {}).items()):
        both = [percent(column[what]["share"]) for what in ("right", "all_right")]
        number = column["all_right"]["pictures"]
        rows.append([f"{name} ({number})", *both, f"{column['iou']:.3f}"])
    rows.append(["one thing alone", percent(s["single"]["share"]), "-", "-"])
    reached = {"painted": s["aims"]} if "right_aim" in s["aims"] else s["aims"]
    lines = [
        f"\n{name}: right {percent(aim['right_of_single'])} as often as a thing alone "
        f"(aim {percent(aim['right_aim'])}), IoU {percent(aim['iou_of_ceiling'])} of the real "
        f"drawings' (aim {percent(aim['iou_aim'])}); chance {percent(s['chance'])}"
        for name, aim in reached.items()
    ]
    return table(rows) + "\n".join(["", *lines])


def percent(value: float | None) -> str:
    """`12 %`, a dash for nothing."""
    return "-" if value is None else f"{value:.0%}".replace("%", " %")
