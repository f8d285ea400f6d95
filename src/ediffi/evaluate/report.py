"""Records as tables in Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ediffi.evaluate.metrics import AT_SHIPPED_GUIDANCE


def summary(record: dict[str, Any]) -> str:
    """The main figures of a record: a row a guidance scale, real pictures last."""
    names = record["protocol"]["names"]
    columns = {
        "fd": names["fd"],
        "kid": f"{names['kid']} x 1000 (95 %)",
        "clip": f"{names['clip']}: cosine (null)",
        "concept": "concept top 1 / top 5 (null)",
        "style": "style top 1 (null)",
    }
    tables = []
    if record["curve"]:
        shown = [name for name in columns if name in record["curve"][0]]
        rows = [["guidance", *(columns[name] for name in shown)]]
        points = [(f"{point['guidance']:g}", point) for point in record["curve"]]
        for scale, point in (*points, ("real pictures", record["real"]["prompts"])):
            rows.append([scale, *(_cell(name, point[name]) for name in shown)])
        tables.append(table(rows))
    for name in AT_SHIPPED_GUIDANCE:
        if name in record:
            figures = dict(record[name])
            title = f"{name} (guidance {figures.pop('guidance'):g})"
            tables.append(f"{title}\n\n{figure_table(figures)}")
    return "\n\n".join(tables)


def figure_table(figures: dict[str, Any]) -> str:
    """A row a figure."""
    rows = [["figure", "value"]]
    for name, value in figures.items():
        if isinstance(value, dict):
            text = percent(value["share"])
        else:
            text = f"{value:.3f}" if isinstance(value, float) else str(value)
        rows.append([name.replace("_", " "), text])
    return table(rows)


def _cell(name: str, figures: dict[str, Any]) -> str:
    if name == "fd":
        return f"{figures['distance']:.2f}"
    if name == "kid":
        return interval(figures)
    if name == "clip":
        return f"{figures['cosine']:.3f} ({figures['cosine_null']:.3f})"
    top5 = f" / {percent(figures['top5']['share'])}" if "top5" in figures else ""
    return f"{percent(figures['top1']['share'])}{top5} ({percent(figures['null_top1'])})"


def table(rows: Sequence[Sequence[str]]) -> str:
    """Markdown, first row the heads."""
    head, *body = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([head, "|" + "---|" * len(rows[0]), *body])


def interval(figure: dict[str, float], form: str = ".2f") -> str:
    """`1.20 (1.10 to 1.30)`."""
    value, low, high = (f"{figure[key]:{form}}" for key in ("value", "low", "high"))
    return f"{value} ({low} to {high})"


def percent(value: float | None) -> str:
    """`12 %`, a dash for nothing."""
    return "-" if value is None else f"{value:.0%}".replace("%", " %")
