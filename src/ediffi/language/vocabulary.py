"""What a model was taught to draw, and where a text names it."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from ediffi.language.lexicon import table
from ediffi.language.tracked import Span

WORD = re.compile(r"[^\W\d_]+")
# Words that carry no picture of their own.
FUNCTION_WORDS = frozenset(
    """a an and are as at beside between but by can could create do draw drawn every for from give
    has have her his i in inside into is it its just like lots make many me my near next of off on
    one only onto or our over picture please put show showing shows side some that the their them
    there these this those three to two under up us very want we with without would you your above
    behind below center centre four front left right top bottom middle image drawing illustration
    icon photo scene painting""".split()
)
COLOURS = frozenset(
    """beige black blue bronze brown colored coloured colorful colourful cyan dark golden gray green
    grey light magenta maroon navy orange pink purple red silver teal turquoise violet white
    yellow""".split()
)
MANY = 3  # things that share a word, from which on it names none of them: fruit, light


@dataclass(frozen=True)
class Vocabulary:
    """What a model claims to know.

    things: label -> other names; words: others of its training captions; looks: style -> what
    captions call it; model: its name, for messages.
    """

    things: Mapping[str, Sequence[str]]
    words: Iterable[str] = ()
    looks: Mapping[str, Sequence[str]] = field(default_factory=dict)
    model: str = "the model"

    @property
    def names(self) -> list[str]:
        """Labels and other names."""
        return [name for label, more in self.things.items() for name in (label, *more)]

    @cached_property
    def labels(self) -> dict[tuple[str, ...], str]:
        """What names a thing, as the stems of its words -> label: labels, their other names, and
        the last word of both where that is one thing's: coffee of "cup of coffee"."""
        named = [(name, label) for label, more in self.things.items() for name in (label, *more)]
        out = {_stems(name): label for name, label in reversed(named)}  # the first of two is right
        last: dict[str, set[str]] = defaultdict(set)
        for stems, label in out.items():
            last[stems[-1]].add(label)
        shared = Counter(word for label in self.things for word in self.keywords.get(label, ()))
        for word, owners in last.items():
            if len(owners) == 1 and shared[word] < MANY and word not in FUNCTION_WORDS:
                out.setdefault((word,), next(iter(owners)))
        return out

    @cached_property
    def keywords(self) -> dict[str, set[str]]:
        """Label -> what emojibase calls it besides."""
        rows = zip(table()["names"].values(), table()["languages"]["en"], strict=True)
        out: dict[str, set[str]] = defaultdict(set)
        for names, entry in rows:
            out[names[0]] |= {word.casefold() for word in entry[1:]}
        return out

    @cached_property
    def known(self) -> frozenset[str]:
        """The stems of all words it was taught, and of those that carry no picture."""
        words = (word for phrase in (*self.names, *self.words) for word in words_of(phrase))
        return frozenset(map(stem, (*words, *FUNCTION_WORDS)))

    def find(self, text: str) -> list[tuple[Span, str]]:
        """Where a text names things, and their labels; the longest name at each place."""
        words = list(WORD.finditer(text))
        stems = [stem(word[0].lower()) for word in words]
        longest = max(map(len, self.labels), default=0)
        found, position = [], 0
        while position < len(words):
            for size in range(min(longest, len(words) - position), 0, -1):
                label = self.labels.get(tuple(stems[position : position + size]))
                span = words[position].start(), words[position + size - 1].end()
                if label is not None and not _goes_on(text, span):
                    found.append((span, label))
                    break
            else:
                size = 1
            position += size
        return found

    def unknown_words(self, text: str) -> list[str]:
        """The words of a text that no label, no other name and no caption had, in order and once;
        none of a model that claims nothing."""
        if not self.things:
            return []
        return [word for word in dict.fromkeys(words_of(text)) if stem(word) not in self.known]


def _goes_on(text: str, span: Span) -> bool:
    """Whether a hyphen makes another word of it: spider-man is no spider."""
    start, end = span
    return bool(re.search(r"\w-$", text[:start]) or re.match(r"-\w", text[end:]))


def words_of(text: str) -> list[str]:
    """Lower-case words of at least two letters."""
    return [word for word in WORD.findall(text.lower()) if len(word) > 1]


def stem(word: str) -> str:
    """The word without a plural ending: foxes, fox; berries, berry; trees, tree."""
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("xes", "ches", "shes", "sses")):
        return word[:-2]
    if word.endswith("s") and not word.endswith(("ss", "us")) and len(word) > 3:
        return word[:-1]
    return word


def _stems(phrase: str) -> tuple[str, ...]:
    return tuple(stem(word.lower()) for word in WORD.findall(phrase))
