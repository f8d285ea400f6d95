"""A prompt less what its model was never taught: one strange word makes a shapeless thing of itself
and spoils what stands beside it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ediffi.language.english import mended_articles
from ediffi.language.tracked import Span, Tracked
from ediffi.language.vocabulary import WORD, Vocabulary

TOKEN = re.compile(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*\s*")
# What stands between two parts of a sentence, the longest first.
LINK = re.compile(
    r"""\s*(?:,\s*)?\b(?:
    (?:on|at|to)\s+the\s+(?:left|right|top|bottom|side)\s+of | on\s+top\s+of | in\s+front\s+of
    | (?:close\s+)?next\s+to | near(?:\s+to)? | side\s+by\s+side\s+with | in\s+the\s+middle\s+of
    | surrounded\s+by | partly\s+hidden\s+by | inside\s+a\s+ring\s+of
    | and | or | but | with | on | onto | in | inside | into | at | of | to | by | from | for | as
    | above | below | under | over | beside | behind | before | between | among | around | while
    | is | are | has | have | that
    )\b\s*|\s*[,;]\s*""",
    re.IGNORECASE | re.VERBOSE,
)
VERB = re.compile(r"\w{2,}(?:ing|ed)", re.IGNORECASE)  # what a thing does, to another
DETERMINER = re.compile(
    r"(?:an?|the|one|two|three|four|his|her|its|their|my|some)\b", re.IGNORECASE
)
EMPTY = frozenset("is are has have that while".split())  # links that say nothing of a place
OF_THE_LAST = frozenset("of in for from by as to at".split())  # and those that say it of one thing
ABOUT_THE_PICTURE = re.compile(
    r"\b(?:back(?:ground|drop)s?|gradient|(?!the )\w+ style|silhouette|icon)\b"
)
# Captions have none of these.
MARKS = re.compile(r"[^\w\s,'\u2019&+-]+|(?<!\w)['\u2019-]+|['\u2019-]+(?!\w)")
QUOTES = re.compile(r"[\"*_~`#<>\u2018\u201a-\u201f\u2039\u203a\u00ab\u00bb]")
OWNER = re.compile(r"['\u2019]s(?=\s*(?:,|$)|\s+(?:and|on|in)\b)")  # of something that went


def without_marks(prompt: Tracked) -> Tracked:
    """Without marks that no caption has: a comma for those between words, "and" for "&" and "+".

    >>> without_marks(Tracked.of("A fox & a rocket! (Please...)")).text
    'A fox and a rocket, Please'
    """
    plain = prompt.sub(r"\s*[&+]\s*", " and ").sub(QUOTES, " ").sub(MARKS, ", ").sub(r"\s+", " ")
    return plain.sub(r"\s+,", ",").sub(r"(?:,\s*)+,", ",").tidied()


@dataclass(frozen=True)
class _Part:
    """A stretch of a sentence: what links it to the part before, and the rest.

    named: whether it names a thing; strange: its words that were never taught.
    """

    link: Span
    body: Span
    named: bool
    strange: tuple[Span, ...]

    def stays(self, text: str, after: bool) -> bool:
        """Whether it is drawn: a thing, a background, a style; or is said of a thing before it."""
        body = text[slice(*self.body)]
        if self.named or ABOUT_THE_PICTURE.search(body.lower()):
            return True
        done = VERB.search(text[slice(*self.link)])  # to it, by what stands before
        return after and not self.strange and not done and bool(body.strip())


def without_strange_words(prompt: Tracked, vocabulary: Vocabulary) -> Tracked:
    """The parts of a prompt that name a thing of the vocabulary, or are about the picture, and in
    them the words that it was taught; as it is if it has no others, or nothing would be left.

    >>> lions = Vocabulary({"lion": ()}, ["big"])
    >>> without_strange_words(Tracked.of("a zebra next to an angry big lion"), lions).text
    'a big lion'
    """
    text = prompt.text
    parts = _parts(text, vocabulary)
    if not vocabulary.unknown_words(text) or not any(part.named for part in parts):
        return prompt
    edits: list[tuple[Span, str]] = []
    begun, before = False, True  # whether a part stayed, and the last one
    for part in parts:
        stays = part.stays(text, begun and before)
        if stays:
            link = _said(text[slice(*part.link)], gap=not before)
            edits.append((part.link, link if begun else ""))
            edits += [(span, "") for span in part.strange]
        else:
            edits.append(((part.link[0], part.body[1]), " "))
        begun, before = begun or stays, stays
    for span, piece in reversed(edits):
        if prompt.text[slice(*span)] != piece:
            prompt = prompt.replace(span, piece)
    return _mended(prompt.sub(r"\s+", " ").sub(OWNER, "").tidied())


def _parts(text: str, vocabulary: Vocabulary) -> list[_Part]:
    """A sentence divided at its links, and at strange verbs."""
    things = [span for span, _ in vocabulary.find(text)]
    strange = [
        word.span()
        for word in TOKEN.finditer(text)
        if not _within(word.span(), things) and vocabulary.unknown_words(word[0])
    ]
    links = [m.span() for m in LINK.finditer(text) if not _within(m.span(), things)]
    verbs = []
    for start, end in strange:
        begin = max((last for _, last in links if last <= start), default=0)
        doer = any(begin <= a < start for a, _ in things + strange)
        more = (
            DETERMINER.match(text, end) or any(a <= end <= b for a, b in links) or end == len(text)
        )
        if (doer or more) and VERB.fullmatch(text[start:end].strip()):  # no haunted house
            verbs.append((start, end))
    joined: list[Span] = [(0, 0)]
    for start, end in sorted(links + verbs):
        if joined[-1][1] and not text[joined[-1][1] : start].strip():
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((start, end))
    ends = [start for start, _ in joined[1:]] + [len(text)]
    return [
        _Part(
            link,
            (link[1], end),
            any(link[1] <= a < end for a, _ in things),
            tuple(span for span in strange if link[1] <= span[0] < end),
        )
        for link, end in zip(joined, ends, strict=True)
    ]


def _within(span: Span, others: list[Span]) -> bool:
    return any(span[0] < end and start < span[1] for start, end in others)


def _said(link: str, *, gap: bool) -> str:
    """A link without its verbs and empty words; "and" if that leaves none. gap: the part that it
    was said of went."""
    words = [word for word in WORD.findall(link) if word.lower() not in EMPTY]
    if gap and OF_THE_LAST.issuperset(word.lower() for word in words):
        words = []
    kept = [word for word in words if not VERB.fullmatch(word)]
    if kept == WORD.findall(link):
        return link
    return f" {' '.join(kept) or 'and'} "


def _mended(prompt: Tracked) -> Tracked:
    """Articles as the words behind them have it."""
    for match in reversed(list(re.finditer(r"\ban?\s+(?=\w)", prompt.text, re.IGNORECASE))):
        prompt = mended_articles(prompt, (match.end(), match.end() + 1))
    return prompt
