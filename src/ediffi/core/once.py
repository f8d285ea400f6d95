"""Values computed once for as long as the object they belong to lives."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

V = TypeVar("V")


class Once(Generic[V]):
    """A cache by (owner, key). An entry goes when its owner does; owners compare by identity.

    Networks keep text keys and values in one, by prompt, and wrappers the batches that they make
    of their input. Safe in threads: two that ask at once may compute the same value twice.

    >>> class Owner: ...
    >>> owner, once = Owner(), Once()
    >>> once(owner, "answer", lambda: 42), once(owner, "answer", lambda: 0)
    (42, 42)
    """

    def __init__(self) -> None:
        self._kept: WeakKeyDictionary[Any, dict[Hashable, V]] = WeakKeyDictionary()
        self._lock = threading.Lock()

    def __call__(self, owner: Any, key: Hashable, make: Callable[[], V]) -> V:
        """The value of `key` that belongs to `owner`: make(), the first time."""
        with self._lock:
            kept = self._kept.setdefault(owner, {})
        if key not in kept:
            kept[key] = make()
        return kept[key]

    def __deepcopy__(self, memo: dict[int, Any]) -> Once[V]:
        return Once()

    def __reduce__(self) -> tuple[type[Once[V]], tuple[()]]:
        return Once, ()
