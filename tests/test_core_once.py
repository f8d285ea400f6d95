"""Caches that belong to their owners."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref
from concurrent.futures import ThreadPoolExecutor

from ediffi.core.once import Once


class Owner:
    """As a prompt: compared by identity."""


def test_a_value_is_made_once_for_each_owner_and_key() -> None:
    once: Once[object] = Once()
    one, other = Owner(), Owner()
    made = once(one, "a", object)
    assert once(one, "a", object) is made
    assert once(one, "b", object) is not made and once(other, "a", object) is not made


def test_what_belongs_to_an_owner_goes_with_it() -> None:
    class Value:
        pass

    once: Once[Value] = Once()
    owner = Owner()
    alive: list[int] = []

    def make() -> Value:
        value = Value()
        alive.append(1)
        weakref.finalize(value, alive.pop)
        return value

    once(owner, "a", make)
    gc.collect()
    assert alive == [1]
    del owner
    gc.collect()
    assert alive == []


def test_threads_share_one() -> None:
    once: Once[tuple[int, int]] = Once()
    owners = [Owner() for _ in range(50)]

    def use(turn: int) -> list[tuple[int, int]]:
        return [once(o, k, lambda o=n, k=k: (o, k)) for n, o in enumerate(owners) for k in range(9)]  # type: ignore[misc]

    expected = [(n, k) for n in range(50) for k in range(9)]
    with ThreadPoolExecutor(8) as pool:
        assert all(found == expected for found in pool.map(use, range(16)))


def test_copies_start_empty() -> None:
    once: Once[object] = Once()
    owner = Owner()
    made = once(owner, "a", object)
    for copied in (copy.deepcopy(once), pickle.loads(pickle.dumps(once))):
        assert copied(owner, "a", object) is not made
