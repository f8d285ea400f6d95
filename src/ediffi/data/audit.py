"""What a collection is made of: licences, sources, sizes, captions, look-alikes, people.

`audit` looks at every picture once and gives an `Audit`, plain JSON values; `data.report` makes
pages and plots of it. What people are like is read from captions, see `language.people`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from ediffi.data.duplicates import Looks, look
from ediffi.data.entries import Entries, Entry
from ediffi.data.licences import Licences
from ediffi.data.policy import Policy
from ediffi.language.people import ATTRIBUTES, person_in

UNKNOWN = "unknown"
SHOWN_PAIRS = 24
SHOWN_WORDS = 40
Done = Callable[[int], None]


@dataclass(frozen=True)
class Licence:
    """One licence. spdx: the expression, None if it is unknown; written: how collections spell it;
    allowed: by the policy."""

    spdx: str | None
    written: tuple[str, ...]
    pictures: int
    allowed: bool


@dataclass(frozen=True)
class Source:
    """Where pictures are from. share: of all pictures."""

    source: str
    licence: str
    attribution: str
    pictures: int
    share: float


@dataclass(frozen=True)
class Numbers:
    """A distribution of whole numbers: how often each came, and its quartiles."""

    counts: dict[int, int]
    least: int
    lower: float
    median: float
    upper: float
    most: int

    @classmethod
    def of(cls, counts: Counter[int]) -> Numbers | None:
        """None of no numbers."""
        if not counts:
            return None
        values = np.repeat(list(counts), list(counts.values()))
        lower, median, upper = np.quantile(values, (0.25, 0.5, 0.75)).tolist()
        ordered = dict(sorted(counts.items()))
        return cls(ordered, int(values.min()), lower, median, upper, int(values.max()))


@dataclass(frozen=True)
class People:
    """pictures: whose captions name people; values: attribute -> value -> pictures;
    roles: role -> attribute -> value -> pictures."""

    pictures: int
    values: dict[str, dict[str, int]]
    roles: dict[str, dict[str, dict[str, int]]]


@dataclass(frozen=True)
class Audit:
    """What was found. captions: words in a caption; sides: pixels of shorter sides, vectors apart;
    concepts: how many pictures each known concept has; near: names of two look-alikes, some of
    them; near_share: of pictures that look like an earlier one; violations: of the policy."""

    name: str
    fingerprint: str
    pictures: int
    about: dict[str, Any]
    licences: tuple[Licence, ...]
    sources: tuple[Source, ...]
    vectors: int
    sides: Numbers | None
    captions: Numbers | None
    words: dict[str, int]
    distinct_words: int
    concepts: Numbers | None
    themes: dict[str, int]
    styles: dict[str, int]
    near_share: float
    near_pairs: int
    near: tuple[tuple[str, str], ...]
    people: People
    violations: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass
class _Tally:
    """Counts that grow picture by picture."""

    licences: Counter[str] = field(default_factory=Counter)
    sources: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    sides: Counter[int] = field(default_factory=Counter)
    vectors: int = 0
    lengths: Counter[int] = field(default_factory=Counter)
    words: Counter[str] = field(default_factory=Counter)
    concepts: Counter[str] = field(default_factory=Counter)
    themes: Counter[str] = field(default_factory=Counter)
    styles: Counter[str] = field(default_factory=Counter)
    persons: int = 0
    values: dict[str, Counter[str]] = field(
        default_factory=lambda: {attribute: Counter() for attribute in ATTRIBUTES}
    )
    roles: dict[str, dict[str, Counter[str]]] = field(default_factory=dict)

    def add(self, entry: Entry) -> None:
        self.licences[entry.licence] += 1
        self.sources[entry.source, entry.licence, entry.attribution] += 1
        if entry.side is None:
            self.vectors += 1
        else:
            self.sides[entry.side] += 1
        for caption in entry.captions:
            said = caption.lower().replace(",", " ").split()
            self.lengths[len(said)] += 1
            self.words.update(said)
        known = (self.concepts, entry.concept), (self.themes, entry.theme)
        for counts, value in (*known, (self.styles, entry.style)):
            if value is not None:
                counts[value] += 1
        self._add_person(entry)

    def _add_person(self, entry: Entry) -> None:
        """By all captions together: one may tell what another leaves open."""
        person = person_in("; ".join(entry.captions))
        if person is None:
            return
        self.persons += 1
        role = self.roles.setdefault(person.role, {name: Counter() for name in ATTRIBUTES})
        for attribute in ATTRIBUTES:
            self.values[attribute][person.value(attribute)] += 1
            role[attribute][person.value(attribute)] += 1


def audit(entries: Entries, policy: Policy, on_done: Done = lambda count: None) -> Audit:
    """Look at every picture of a collection and hold it against a policy.

    on_done: told how many pictures have been looked at.

    Raises:
        UserError: a picture cannot be read, or a library of the extra `audit` is missing.
    """
    tally = _Tally()
    hashes = np.zeros(len(entries), np.uint64)
    colours = np.zeros((len(entries), 8, 8, 3), np.uint8)
    for number in range(len(entries)):
        tally.add(entries.entry(number))
        hashes[number], colours[number] = look(entries.picture(number))
        on_done(number + 1)
    pairs = list(Looks(hashes, colours).pairs())
    # spread over all of them: the first ones are much alike
    shown = pairs[:: max(1, len(pairs) // SHOWN_PAIRS)][:SHOWN_PAIRS]
    total = len(entries)
    found = Audit(
        name=entries.name,
        fingerprint=entries.fingerprint,
        pictures=total,
        about=dict(entries.about),
        licences=_licences(tally.licences, policy),
        sources=tuple(_sources(tally.sources, total)),
        vectors=tally.vectors,
        sides=Numbers.of(tally.sides),
        captions=Numbers.of(tally.lengths),
        words=dict(tally.words.most_common(SHOWN_WORDS)),
        distinct_words=len(tally.words),
        concepts=Numbers.of(Counter(tally.concepts.values())),
        themes=dict(tally.themes.most_common()),
        styles=dict(tally.styles.most_common()),
        near_share=len({later for _, later in pairs}) / max(1, total),
        near_pairs=len(pairs),
        near=tuple((entries.entry(a).name, entries.entry(b).name) for a, b in shown),
        people=_people(tally),
    )
    return Audit(**{**vars(found), "violations": tuple(_violations(found, policy))})


def _licences(written: Mapping[str, int], policy: Policy) -> tuple[Licence, ...]:
    """One row for each licence; all that are unknown are one."""
    reads, allow = Licences(policy.licences.names), policy.licences.allow
    spelled: dict[str | None, list[str]] = {}
    for text in written:
        spelled.setdefault(reads.spdx(text), []).append(text)
    rows = []
    for spdx, texts in spelled.items():
        if spdx is None:
            allowed = policy.licences.unknown == "allow"
        else:
            allowed = allow is None or reads.allowed(spdx, allow)
        rows.append(Licence(spdx, tuple(sorted(texts)), sum(written[t] for t in texts), allowed))
    return tuple(sorted(rows, key=lambda row: -row.pictures))


def _sources(counts: Counter[tuple[str, str, str]], total: int) -> Iterator[Source]:
    for (source, licence, attribution), count in counts.most_common():
        yield Source(source, licence, attribution, count, count / total)


def _people(tally: _Tally) -> People:
    by_size = sorted(tally.roles.items(), key=lambda item: -item[1]["presentation"].total())
    return People(
        tally.persons,
        {attribute: dict(counts.most_common()) for attribute, counts in tally.values.items()},
        {
            role: {attribute: dict(counts.most_common()) for attribute, counts in rows.items()}
            for role, rows in by_size
        },
    )


def _violations(found: Audit, policy: Policy) -> Iterator[str]:
    """What the policy forbids and is there all the same, a sentence each."""
    for licence in found.licences:
        if not licence.allowed:
            what = licence.spdx or f"unknown ({', '.join(map(repr, licence.written[:3]))})"
            yield f"licence {what} is not allowed: {licence.pictures:,} pictures"
    for source in found.sources:
        if source.source in policy.pictures.refused_sources:
            yield f"source {source.source!r} is refused: {source.pictures:,} pictures"
    least = policy.pictures.min_side
    small = (
        sum(count for side, count in found.sides.counts.items() if side < least)
        if (found.sides)
        else 0
    )
    if small:
        yield f"{small:,} pictures are smaller than {least} pixels"
    most = policy.pictures.max_near_duplicates
    if found.near_share > most:
        yield f"{found.near_share:.1%} of the pictures look like an earlier one, at most {most:.1%}"
