"""Sampling weights that bring the people of a collection nearer to a policy's aims.

Raking, or iterative proportional fitting (Deming and Stephan 1940): the weights of the pictures
that state a value are scaled until its weighted share is the aim's, attribute after attribute, and
again until all hold; no weight leaves the policy's bounds. Pictures that state nothing keep theirs.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from ediffi.core.errors import UserError
from ediffi.core.files import write_atomically
from ediffi.data.entries import Entries
from ediffi.data.policy import PeoplePolicy
from ediffi.data.shard_set import ShardSet
from ediffi.language.people import Person, person_in

ROUNDS = 100
LONGEST = 4  # times the collection, that a weighted pass through it may take

Floats = NDArray[np.float64]
Shares = dict[str, dict[str, float]]


class Weights(BaseModel):
    """What `ediffi data balance` writes. weights: of each picture, in stored order, their mean 1;
    before, after: attribute -> value -> share of the pictures that state one; effective: how many
    equally weighted pictures teach as much (Kish 1965), (sum w)^2 / sum w^2."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = 1
    collection: str
    fingerprint: str
    policy: dict[str, Any]
    before: Shares
    after: Shares
    effective: float
    weights: tuple[float, ...]

    def write(self, path: Path) -> None:
        """Raises UserError: it cannot be written."""
        write_atomically(path, (self.model_dump_json(indent=1) + "\n").encode())

    @classmethod
    def read(cls, path: Path) -> Weights:
        """Raises UserError: no such file, or one that is no weights."""
        try:
            return cls.model_validate_json(path.read_text("utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"cannot read the weights {path}: {error}") from error
        except ValidationError as error:
            raise UserError.of(error, f"weights {path}") from error


@dataclass(frozen=True)
class _People:
    """Whom each picture's captions name; groups: of pictures that are balanced by themselves."""

    persons: Sequence[Person | None]
    groups: Sequence[Sequence[int]]

    def stating(self, attribute: str, value: str, group: Sequence[int]) -> list[int]:
        return [n for n in group if getattr(self.persons[n], attribute, None) == value]


def balance(
    entries: Entries, policy: PeoplePolicy, on_done: Callable[[int], None] = lambda count: None
) -> Weights:
    """Weights for a collection.

    on_done: told how many pictures' captions are read.

    Raises:
        UserError: the policy has no aims, or no caption states what they are about.
    """
    if not policy.aims:
        raise UserError("the policy has no aims for people: give it a [people] part, docs/audit.md")
    persons: list[Person | None] = []
    for number in range(len(entries)):
        persons.append(person_in("; ".join(entries.entry(number).captions)))
        on_done(number + 1)
    people = _People(persons, _groups(persons, policy.within))
    weights = np.ones(len(persons))
    before = _shares(people, policy, weights)
    if not any(before.values()):
        raise UserError(
            f"no caption of {entries.name} states {' or '.join(policy.aims)}: there is nothing to "
            "balance by"
        )
    for group in people.groups:
        _rake(people, policy, group, weights)
    weights /= weights.mean()
    return Weights(
        collection=entries.name,
        fingerprint=entries.fingerprint,
        policy=policy.model_dump(exclude_none=True),
        before=before,
        after=_shares(people, policy, weights),
        effective=round(float(weights.sum() ** 2 / np.square(weights).sum()), 1),
        weights=tuple(round(float(w), 6) for w in weights),
    )


def _groups(persons: Sequence[Person | None], within: str) -> list[list[int]]:
    groups: dict[str, list[int]] = defaultdict(list)
    for number, person in enumerate(persons):
        if person is not None:
            groups[person.role if within == "role" else ""].append(number)
    return list(groups.values())


def _rake(people: _People, policy: PeoplePolicy, group: Sequence[int], weights: Floats) -> None:
    """Scale a group's weights in place; the sum over the group stays."""
    rows = {
        attribute: {value: people.stating(attribute, value, group) for value in aims}
        for attribute, aims in policy.aims.items()
    }
    size, members = len(group), list(group)
    for _ in range(ROUNDS):
        old = weights[members].copy()
        for attribute, aims in policy.aims.items():
            there = {v: n for v, n in rows[attribute].items() if n and aims[v] > 0}
            if len(there) < 2:  # nothing to weigh against
                continue
            total = sum(weights[numbers].sum() for numbers in there.values())
            aimed = sum(aims[value] for value in there)
            for value, numbers in there.items():
                weights[numbers] *= aims[value] / aimed * total / weights[numbers].sum()
        weights[members] = weights[members].clip(1 / policy.max_weight, policy.max_weight)
        weights[members] *= size / weights[members].sum()
        if np.abs(weights[members] - old).max() < 1e-9:
            break


def _shares(people: _People, policy: PeoplePolicy, weights: Floats) -> Shares:
    """Weighted shares of the values, of the pictures that state one the policy has an aim for."""
    everyone = [number for group in people.groups for number in group]
    shares: Shares = {}
    for attribute, aims in policy.aims.items():
        sums = {v: float(weights[people.stating(attribute, v, everyone)].sum()) for v in aims}
        total = sum(sums.values())
        shares[attribute] = {v: round(s / total, 4) for v, s in sums.items()} if total else {}
    return shares


class BalancedShards(ShardSet):
    """Shards whose pictures come as often as their weights say.

    One pass has every picture floor(k w) or ceil(k w) times (systematic resampling), in an order
    that is shuffled once, by `seed`; k is at most `LONGEST`, so that light pictures come too.
    """

    def __init__(self, path: Path, weights: Path, *, min_size: int = 0, seed: int = 0) -> None:
        """Raises UserError: as `ShardSet`; or the weights are of other shards."""
        super().__init__(path, min_size=min_size, seed=seed)
        read = Weights.read(weights)
        if read.fingerprint != self.fingerprint:
            raise UserError(
                f"{weights} was made for {read.collection}, not for the pictures in {path}: run "
                "`ediffi data balance` on them"
            )
        self._weights = hashlib.sha256(weights.read_bytes()).hexdigest()
        generator = np.random.Generator(np.random.Philox(key=seed))
        shares = np.array(read.weights)[self.order]
        shares = shares / shares.mean()
        times = min(LONGEST, int(np.ceil(1 / shares.min())))
        ends = np.floor(np.cumsum(shares) * times + generator.random()).astype(np.int64)
        self.order = generator.permutation(np.repeat(self.order, np.diff(ends, prepend=0)))

    @property
    def identity(self) -> list[Any]:
        return [*super().identity, "weights", self._weights]
