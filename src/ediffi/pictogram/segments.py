"""Captions in pieces, so that where each phrase stands, and what it names, is known exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

SpanKind = Literal["thing", "stuff", "background", "colour", "count", "size"]


@dataclass(frozen=True)
class Span:
    """caption[start:end] names something of the picture.

    kind: a thing, stuff (a region of the background), the background as a whole, or an attribute
    of one of these; attributes lie inside the phrase that they belong to, or stand by themselves
    ("the fox is red"). parts: rows of `Renderer.masks` that it names, together.
    """

    start: int
    end: int
    kind: SpanKind
    parts: tuple[int, ...]


Mark = tuple[SpanKind, tuple[int, ...]]


@dataclass(frozen=True)
class Segment:
    """A piece of a caption. marks: the (kind, parts) of all spans that it lies in."""

    text: str
    marks: tuple[Mark, ...] = ()


def join_segments(segments: Sequence[Segment]) -> tuple[str, tuple[Span, ...]]:
    """The caption, and a span for every run of segments with the same mark, in reading order."""
    spans: list[Span] = []
    open_marks: dict[Mark, int] = {}
    at = 0
    for segment in (*segments, Segment("")):
        for mark in [m for m in open_marks if m not in segment.marks]:
            spans.append(Span(open_marks.pop(mark), at, *mark))
        for mark in segment.marks:
            open_marks.setdefault(mark, at)
        at += len(segment.text)
    spans.sort(key=lambda span: (span.start, -span.end))
    return "".join(segment.text for segment in segments), tuple(spans)
