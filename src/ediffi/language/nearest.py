"""What a model draws that is nearest to what it does not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache

import torch.nn.functional as F
from torch import Tensor

from ediffi.core.once import Once
from ediffi.encoders.prompt import EncodesText
from ediffi.language.lexicon import table
from ediffi.language.vocabulary import Vocabulary, stem

# Least cosine of an offer, by what speaks for it besides; chosen on half of the 200 nouns of
# studies/typed_nouns.txt.
KEYWORD, SUBGROUP, GROUP, NOTHING = 0.3, 0.4, 0.5, 0.55
SAME = 0.7  # least cosine of a thing and a word that is said of it alone, to be a name of it

ENCODED: Once[Tensor] = Once()  # the labels of a vocabulary, by encoder


@dataclass(frozen=True)
class Offer:
    """word: of a prompt; label: the nearest thing; same: whether the word is a name of it."""

    word: str
    label: str
    same: bool


class Nearest:
    """The things of a vocabulary as a text encoder sees them (cosines of pooled states)."""

    def __init__(self, vocabulary: Vocabulary, encoder: EncodesText) -> None:
        self.labels = list(vocabulary.things)
        self.keywords = vocabulary.keywords
        self.encoder = encoder
        self.vectors = ENCODED(encoder, tuple(self.labels), lambda: self._encode(self.labels))
        self.groups = _groups()

    def _encode(self, texts: Sequence[str]) -> Tensor:
        return F.normalize(self.encoder.encode(texts).pooled, dim=1)

    def ranked(self, text: str) -> list[tuple[str, float]]:
        """All things with their cosines, the nearest first."""
        cosines = (self.vectors @ self._encode([text])[0]).tolist()
        return sorted(zip(self.labels, cosines, strict=True), key=lambda pair: -pair[1])

    def offer(self, word: str) -> Offer | None:
        """The thing that is near enough to a word: one that emojibase says the word of; else one
        of what the word is a kind of; else any."""
        ranked = self.ranked(word)
        names = {word, stem(word)}
        owners = {label for label in self.labels if names & self.keywords.get(label, set())}
        groups = self.groups.get(stem(word), self.groups.get(word, set()))
        kinds = {group for group, _ in groups}
        rules: tuple[tuple[float, Collection[str]], ...] = (
            (KEYWORD, owners),
            (SUBGROUP, [name for name in self.labels if self.groups[name] & groups]),
            (GROUP, [n for n in self.labels if {g for g, _ in self.groups[n]} & kinds]),
            (NOTHING, self.labels),
        )
        for least, labels in rules:
            label, cosine = next((pair for pair in ranked if pair[0] in labels), ("", -1.0))
            if cosine >= least:
                alone = owners == {label} and not label.startswith(stem(word))
                return Offer(word, label, alone and cosine >= SAME)
        return None


@cache
def _groups() -> dict[str, set[tuple[str, str]]]:
    """What emojibase has as a thing, or says of things -> their groups and subgroups."""
    labels: dict[str, set[tuple[str, str]]] = defaultdict(set)
    keywords: dict[str, set[tuple[str, str]]] = defaultdict(set)
    everything = table()
    for (hexcode, names), entry in zip(
        everything["names"].items(), everything["languages"]["en"], strict=True
    ):
        group, subgroup = everything["groups"][hexcode]
        for name in (*names, entry[0].casefold()):
            labels[name].add((group, subgroup))
        for word in entry[1:]:
            keywords[word.casefold()].add((group, subgroup))
    return defaultdict(set, {**keywords, **labels})


def grouped(vocabulary: Vocabulary) -> dict[str, list[str]]:
    """The things of a vocabulary by emojibase's groups, in the order of both; "other" are those
    that it does not know.

    >>> grouped(Vocabulary({"fox": (), "tulip": (), "pizza": ()}))
    {'animals-nature': ['fox', 'tulip'], 'food-drink': ['pizza']}
    """
    of = {
        name: everything[0]
        for hexcode, names in reversed(table()["names"].items())
        for everything in [table()["groups"][hexcode]]
        for name in names
    }
    order = dict.fromkeys(group for group, _ in table()["groups"].values())
    out: dict[str, list[str]] = {group: [] for group in (*order, "other")}
    for label in vocabulary.things:
        out[of.get(label, "other")].append(label)
    return {group: labels for group, labels in out.items() if labels}
