"""What people write in English prompts and captions do not: negations, and counts in figures or
above four."""

from __future__ import annotations

import re

from ediffi.language.sentence import COUNTS
from ediffi.language.tracked import Span, Tracked
from ediffi.language.vocabulary import Vocabulary

ENDS = (
    "on in at with next under above below near behind beside over but just only while is are to "
    "from instead"
)
NEGATION = re.compile(
    r"""(?:,?\s*\b(?:but|and|with)\s+)?
    (?<![-\w])(?:no|not|without|excluding|except(?:\s+for)?|(?:do\s+not|don['\u2019]?t)\s+\w+)
    (?![-\w])\s*(?:(?:any|an?|the)\s+)?
    (?:(?!(?:ENDS|and\s+(?:an?|the|with|no|one|two|three|four))\b)[\w'\u2019-]+[ ]?)*,?""".replace(
        "ENDS", ENDS.replace(" ", "|")
    ),
    re.IGNORECASE | re.VERBOSE,
)
MOST = len(COUNTS) - 1
MANY = (
    "five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety"
)
COUNT = re.compile(
    r"\b(?:(?:a\s+)?(?:couple|dozen|hundred|thousand|million)s?(?:\s+of)?"
    rf"|{MANY.replace(' ', '|')}|[1-9]\d*)(?=\s+[^\W\d])",
    re.IGNORECASE,
)
PLURAL = ("s", "fish")
BETWEEN = 3  # words between a count and its thing: 12 big red balloons


def without_negations(prompt: Tracked) -> tuple[Tracked, list[str]]:
    """The prompt without what is not to be drawn, and that; as it is where nothing would be left.

    >>> without_negations(Tracked.of("a house without a chimney"))[1]
    ['without a chimney']
    """
    left_out = [m[0].strip(" ,") for m in NEGATION.finditer(prompt.text)]
    rest = prompt.sub(NEGATION, " ").tidied() if left_out else prompt
    return (rest, left_out) if re.search(r"\w", rest.text) else (prompt, [])


def counted(prompt: Tracked, vocabulary: Vocabulary) -> tuple[Tracked, list[str]]:
    """The prompt with counts of things as the words up to four that captions have, and the counts
    that are too large.

    >>> prompt, large = counted(Tracked.of("12 foxes"), Vocabulary({"fox": ()}))
    >>> prompt.text, large
    ('four foxes', ['12 foxes'])
    """
    things = [span for span, _ in vocabulary.find(prompt.text)]
    large: list[str] = []
    for match in reversed(list(COUNT.finditer(prompt.text))):
        thing = next((span for span in things if span[0] >= match.end()), None)
        if thing is None or not _is_of(prompt.text[match.end() : thing[0]]):
            continue
        if not prompt.text[: thing[1]].lower().endswith(PLURAL):  # an 8 ball
            continue
        digits = match[0].isdecimal() and int(match[0]) <= MOST
        number = int(match[0]) if digits else 2 if "couple" in match[0].lower() else MOST
        if number == MOST and not digits:
            large.insert(0, prompt.text[match.start() : thing[1]])
        prompt = prompt.replace(match.span(), COUNTS[number])
    return prompt, large


def _is_of(between: str) -> bool:
    """Whether a count belongs to the thing behind these words."""
    return len(between.split()) <= BETWEEN and not re.search(r"[,.;]|\b(?:and|on|with)\b", between)


def mended_articles(prompt: Tracked, span: Span) -> Tracked:
    """With "a" or "an" before text[start:end] as its first letter has it; left before a "u"."""
    match = re.search(r"\b(an?)\s+$", prompt.text[: span[0]], re.IGNORECASE)
    first = prompt.text[span[0] : span[0] + 1].lower()
    right = "an" if first in tuple("aeio") else "a"
    if match is None or first == "u" or match[1].lower() == right:
        return prompt
    return prompt.replace(match.span(1), right if match[1].islower() else right.capitalize())
