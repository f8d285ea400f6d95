"""Shares of pictures with their intervals, and the exchange that gives every judge its null."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

T = TypeVar("T")


def exchanged(values: Sequence[T]) -> list[T]:
    """Everyone gets the value of the one half the list further: the null of every judge."""
    half = len(values) // 2
    return [*values[half:], *values[:half]]


def wilson(hits: int, num: int) -> list[float]:
    """95 % interval of a share, Wilson 1927.

    >>> [round(x, 3) for x in wilson(5, 10)]
    [0.237, 0.763]
    """
    if not num:
        return [0.0, 1.0]
    z, share = 1.96, hits / num
    middle = (share + z * z / (2 * num)) / (1 + z * z / num)
    reach = z / (1 + z * z / num) * (share * (1 - share) / num + z * z / (4 * num * num)) ** 0.5
    return [middle - reach, middle + reach]


def share(hits: Sequence[bool]) -> dict[str, Any]:
    """A share of pictures with its interval and their number."""
    num, good = len(hits), sum(map(bool, hits))
    return {"share": mean(hits), "interval": wilson(good, num), "pictures": num}


def mean(hits: Sequence[bool]) -> float | None:
    """The share alone; None of no pictures."""
    return sum(map(bool, hits)) / len(hits) if hits else None
