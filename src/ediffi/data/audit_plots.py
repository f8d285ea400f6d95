"""An audit as plots: SVG files, the same bytes for the same audit."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence, Sized
from typing import Any

import numpy as np

from ediffi.core.errors import UserError
from ediffi.data.audit import Audit, Numbers
from ediffi.language.people import SEVERAL, SKINS, UNSTATED

MOST_BARS = 24
GREY = "#9aa5b1"
COLOURS = {
    "woman": "#7b3fa0", "man": "#e08a1e", "child": "#2a9d8f", "older": "#5b6c8f",
    "light": "#f3d2b3", "medium-light": "#e0ac7e", "medium": "#bf8654",
    "medium-dark": "#8d5a36", "dark": "#4f3324", SEVERAL: "#bcc6cf", UNSTATED: "#e7ebee",
}  # fmt: skip
VALUES = {
    "presentation": ("woman", "man", SEVERAL, UNSTATED),
    "age": ("child", "older", SEVERAL, UNSTATED),
    "skin": (*SKINS, SEVERAL, UNSTATED),
}


def plots(audit: Audit) -> Iterator[tuple[str, str, bytes]]:
    """(file name, what it shows, SVG) of everything that there is something to show of."""
    text = "Sources, coloured by licence"
    yield "sources.svg", text, _drawn(_height(audit.sources), 1, 1, _sources, audit)
    if audit.captions:
        text = "Words in a caption, and pixels of the shorter sides"
        yield "numbers.svg", text, _drawn((9, 3.2), 1, 2, _numbers, audit)
    if _kinds_of(audit):
        longest = max(_kinds_of(audit).values(), key=len)
        size = _height(longest)
        yield (
            "kinds.svg",
            "Styles and themes",
            _drawn(size, 1, len(_kinds_of(audit)), _kinds, audit),
        )
    if audit.people.pictures:
        text = "Pictures whose captions name people, by what they say of them"
        yield "people.svg", text, _drawn((9, 2.8), 1, 3, _people, audit)
    if _roles_of(audit):
        text = "Roles by stated presentation and skin tone"
        yield "roles.svg", text, _drawn(_height(_roles_of(audit)), 1, 2, _roles, audit)


def _height(rows: Sized) -> tuple[float, float]:
    """Inches of a figure with a bar for each row."""
    return 9, 1.4 + 0.24 * min(len(rows), MOST_BARS)


def _sources(axes: Any, audit: Audit) -> None:
    rows = audit.sources[:MOST_BARS][::-1]
    licences = sorted({row.licence for row in rows})
    shades = ["#3b6ea5", "#e08a1e", "#2a9d8f", "#b5495b", "#7b3fa0", GREY]
    for number, licence in enumerate(licences):
        at = [n for n, row in enumerate(rows) if row.licence == licence]
        counts = [rows[n].pictures for n in at]
        axes.barh(at, counts, color=shades[min(number, 5)], label=_short(licence, 30) or "none")
    axes.set_yticks(range(len(rows)), [_short(row.source, 46) for row in rows])
    axes.set_xlabel("pictures")
    axes.legend(fontsize=8)


def _numbers(axes: Any, audit: Audit) -> None:
    """Captions on the left, sides on the right."""
    left, right = axes
    _histogram(left, audit.captions, "words in a caption")
    if audit.sides:
        _histogram(right, audit.sides, "pixels of the shorter side")
    if audit.vectors:
        right.set_title(f"and {audit.vectors:,} vectors, which have any size", fontsize=9)


def _histogram(axes: Any, numbers: Numbers | None, what: str) -> None:
    if numbers is None:
        return
    bins = np.arange(numbers.least, numbers.most + 2) - 0.5
    if len(bins) > 41:
        bins = np.linspace(numbers.least, numbers.most + 1, 41)
    axes.hist(list(numbers.counts), bins, weights=list(numbers.counts.values()), color="#3b6ea5")
    axes.axvline(numbers.median, color="#b5495b", linewidth=1)
    axes.set_xlabel(f"{what} (line: the median, {numbers.median:g})")


def _kinds_of(audit: Audit) -> dict[str, Mapping[str, int]]:
    """What pictures are told apart by, and how many there are of each."""
    return {w: c for w, c in (("styles", audit.styles), ("themes", audit.themes)) if c}


def _kinds(axes: Any, audit: Audit) -> None:
    for one, (what, counts) in zip(np.atleast_1d(axes), _kinds_of(audit).items(), strict=True):
        shown = list(counts.items())[:MOST_BARS][::-1]
        one.barh([_short(name, 28) for name, _ in shown], [n for _, n in shown], color="#3b6ea5")
        one.set_xlabel(f"pictures, {what}")


def _people(axes: Any, audit: Audit) -> None:
    for one, (attribute, values) in zip(axes, VALUES.items(), strict=True):
        counts = [audit.people.values[attribute].get(value, 0) for value in values]
        bars = one.bar(values, counts, color=[COLOURS[v] for v in values], edgecolor=GREY)
        one.bar_label(bars, labels=[f"{c:,}" for c in counts], fontsize=7)
        one.tick_params(axis="x", rotation=40, labelsize=8)
        one.set_title(attribute, fontsize=10)
        one.margins(y=0.12)


def _roles_of(audit: Audit) -> Sequence[tuple[str, Mapping[str, Mapping[str, int]]]]:
    """The most frequent roles, the most frequent last."""
    return [item for item in audit.people.roles.items() if item[0] != UNSTATED][:MOST_BARS][::-1]


def _roles(axes: Any, audit: Audit) -> None:
    """Shares of a role's pictures, stacked."""
    rows = _roles_of(audit)
    names = [f"{role} ({sum(table['presentation'].values()):,})" for role, table in rows]
    for one, attribute in zip(axes, ("presentation", "skin"), strict=True):
        left = np.zeros(len(rows))
        for value in VALUES[attribute]:
            counts = [table[attribute].get(value, 0) for _, table in rows]
            shares = np.array(counts) / [sum(table[attribute].values()) for _, table in rows]
            one.barh(names, shares, left=left, color=COLOURS[value], label=value, edgecolor=GREY,
                     linewidth=0.3)  # fmt: skip
            left += shares
        one.set_xlim(0, 1)
        one.legend(fontsize=7, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1))
    axes[1].set_yticklabels([])


def _short(text: str, most: int) -> str:
    text = text.replace("$", r"\$")  # which would start a formula
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _drawn(
    size: tuple[float, float],
    rows: int,
    columns: int,
    fill: Callable[[Any, Audit], None],
    audit: Audit,
) -> bytes:
    """A figure without dates and random names."""
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UserError(f"plots need {error.name}: run: pip install 'ediffi[audit]'") from error
    with matplotlib.rc_context({"svg.hashsalt": "ediffi", "font.size": 9}):
        figure = Figure(figsize=size, layout="constrained")
        fill(figure.subplots(rows, columns), audit)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()
