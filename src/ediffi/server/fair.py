"""Whose turn it is: fair shares of time, and a bounded queue in which clients take turns."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator
from itertools import zip_longest
from typing import Generic, TypeVar

K = TypeVar("K")
T = TypeVar("T")


class Shares(Generic[K]):
    """Seconds that each has had; the turn is of who has had least. Newcomers start level with who
    has had least so far, and who leaves is forgotten.

    >>> shares = Shares()
    >>> shares.turn(["a", "b"]); shares.charge("a", 2.0)
    'a'
    >>> shares.turn(["a", "b", "c"])
    'b'
    """

    def __init__(self) -> None:
        self._had: dict[K, float] = {}

    def turn(self, present: Collection[K]) -> K:
        """Who is next of those present; the first of them where they are level."""
        self._had = {key: had for key, had in self._had.items() if key in present}
        least = min(self._had.values(), default=0.0)
        for key in present:
            self._had.setdefault(key, least)
        return min(present, key=self._had.__getitem__)

    def charge(self, key: K, seconds: float) -> None:
        """It has had so much more."""
        self._had[key] = self._had.get(key, 0.0) + seconds


class Turns(Generic[T]):
    """What waits, of several clients who take turns, each in the order of coming."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[T]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def __iter__(self) -> Iterator[T]:
        """In the order in which they will leave."""
        for row in zip_longest(*self._waiting.values(), fillvalue=None):
            yield from (item for item in row if item is not None)

    def of(self, client: str) -> int:
        """How many wait of one client."""
        return len(self._waiting.get(client, ()))

    def add(self, client: str, item: T) -> None:
        self._waiting.setdefault(client, deque()).append(item)

    def pop(self) -> T:
        """The next to leave; its client goes to the end of the row."""
        client, items = next(iter(self._waiting.items()))
        item = items.popleft()
        del self._waiting[client]
        if items:
            self._waiting[client] = items
        return item

    def discard(self, item: T) -> bool:
        """Take one out, wherever it waits; whether it was there."""
        for client, items in self._waiting.items():
            if item in items:
                items.remove(item)
                if not items:
                    del self._waiting[client]
                return True
        return False
