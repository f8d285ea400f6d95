"""Sentences for scenes: things, how they stand, what they stand on, and in which style.

A caption is put together from segments, so that where each phrase stands is known exactly.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

MIN_WORDS, MAX_WORDS = 5, 25


SpanKind = Literal["thing", "stuff", "background", "colour", "count", "size"]


@dataclass(frozen=True)
class Span:
    """caption[start:end] names something of the picture.

    kind: a thing, stuff (a region of the background), the background as a whole, or an attribute
    of one of these; attributes lie inside the phrase that they belong to, or stand by themselves
    ("the fox is red"). parts: which of `Renderer.masks` it names, together; empty for the
    background of a plain scene, which is all that no thing covers.
    """

    start: int
    end: int
    kind: SpanKind
    parts: tuple[int, ...]

    @property
    def item(self) -> int:
        """The first of the parts, -1 if there are none."""
        return self.parts[0] if self.parts else -1


Mark = tuple[SpanKind, tuple[int, ...]]


@dataclass(frozen=True)
class Segment:
    """A piece of a caption. marks: the (kind, parts) of all spans that it lies in."""

    text: str
    marks: tuple[Mark, ...] = ()


def join_segments(segments: Sequence[Segment]) -> tuple[str, tuple[Span, ...]]:
    """The caption, and a span for every run of segments with the same mark, in reading order."""
    spans: list[Span] = []
    open_marks: dict[Mark, int] = {}
    at = 0
    for segment in (*segments, Segment("")):
        for mark in [m for m in open_marks if m not in segment.marks]:
            spans.append(Span(open_marks.pop(mark), at, *mark))
        for mark in segment.marks:
            open_marks.setdefault(mark, at)
        at += len(segment.text)
    spans.sort(key=lambda span: (span.start, -span.end))
    return "".join(segment.text for segment in segments), tuple(spans)


@dataclass(frozen=True)
class Thing:
    """What a caption may say of a picture. colour: an adjective to use, or None."""

    label: str
    colour: str | None = None


Piece = str | int  # glue, or the index of a thing

STYLES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    # style: (names of such a drawing, phrases behind the thing)
    "noto": (("noto drawing", "shaded noto drawing"), ("in noto style",)),
    "noto-v1": (("blob drawing", "rounded blob drawing"), ("in blob style",)),
    "twemoji": (
        ("twemoji drawing", "flat twemoji drawing"),
        ("in twemoji style", "in flat twemoji style"),
    ),
    "fxemoji": (("fxemoji drawing", "flat fxemoji drawing"), ("in fxemoji style",)),
    "emojione": (("emojione drawing", "glossy emojione drawing"), ("in emojione style",)),
    "emojione-monotone": (("silhouette", "one-colour silhouette"), ("as a silhouette",)),
    "fluent-emoji": (("fluent drawing", "soft fluent drawing"), ("in soft fluent style",)),
    "fluent-emoji-flat": (("flat fluent drawing", "flat drawing"), ("in flat fluent style",)),
    "fluent-emoji-high-contrast": (("line icon", "one-colour line icon"), ("as a line icon",)),
    "fluent-emoji-3d": (("3d render", "glossy 3d render"), ("in 3d style",)),
    "streamline-emojis": (("outlined drawing", "cute outlined drawing"), ("in outlined style",)),
}

# Things that take no article, besides the plurals in -s.
MASS = frozenset(
    "bacon bread broccoli butter cheese chocolate clothing coffee corn fire fog garlic ginger "
    "honey ice lightning luggage milk money popcorn rain rice sake salt snow soap spaghetti "
    "sushi tea thread tofu underwear wind wood yarn".split()
)
PLURAL = frozenset({"people", "men", "women", "feet"})
SINGULAR_S = ("ss", "us", "is", "as")  # glass, cactus, tennis, canvas
SINGULAR_WORDS = frozenset({"lens", "rhinoceros"})
VOWEL_SOUND = ("hour", "honest", "heir")
CONSONANT_SOUND = ("uni", "use", "eur", "ewe", "one-", "uk")
COLOUR_WORDS = frozenset(
    "black blue brown gold golden gray green grey orange pink purple red silver white "
    "yellow".split()
)


def tells_style(text: str, style: str) -> bool:
    """Whether one of the style's names or phrases is in a caption."""
    return any(words in text for words in (*STYLES[style][0], *STYLES[style][1]))


def without_colours(label: str) -> str:
    """The label less its colour words, unless it is nothing else.

    >>> without_colours("red apple"), without_colours("orange")
    ('apple', 'orange')
    """
    return " ".join(word for word in label.split() if word not in COLOUR_WORDS) or label


def article(phrase: str) -> str:
    """The phrase with a, an, or nothing before it.

    >>> article("owl"), article("unicorn"), article("grapes"), article("octopus")
    ('an owl', 'a unicorn', 'grapes', 'an octopus')
    """
    last = _noun(phrase)
    if is_mass(phrase) or PLURAL.intersection(phrase.split()):
        return phrase
    if last.endswith("s") and not last.endswith(SINGULAR_S) and last not in SINGULAR_WORDS:
        return phrase
    return f"{indefinite(phrase)} {phrase}"


def is_mass(phrase: str) -> bool:
    """Whether it takes no article and "is".

    >>> is_mass("popcorn"), is_mass("fries"), is_mass("ear of corn")
    (True, False, False)
    """
    return _noun(phrase) in MASS


def _noun(phrase: str) -> str:
    """Of "slice of pizza" and "cake with candles" the first noun decides."""
    return re.split(" of | with | in ", phrase)[0].split()[-1]


def indefinite(phrase: str) -> str:
    """`a` or `an`, by sound as far as spelling tells."""
    if phrase.startswith(VOWEL_SOUND):
        return "an"
    if phrase.startswith(CONSONANT_SOUND):
        return "a"
    return "an" if phrase[0] in "aeiou" else "a"


def thing_segments(thing: Thing, item: int) -> list[Segment]:
    """`a` + `orange fox`: only the words behind the article are the thing's span."""
    words = f"{thing.colour} {thing.label}" if thing.colour else thing.label
    full = article(words)
    glue = full.removesuffix(words)
    return [*([Segment(glue)] if glue else []), Segment(words, (("thing", (item,)),))]


PAIR_BESIDE: tuple[tuple[Piece, ...], ...] = (
    (0, " next to ", 1),
    (1, " next to ", 0),
    (0, " to the left of ", 1),
    (1, " to the right of ", 0),
    (0, " and ", 1),
    (0, " on the left and ", 1, " on the right"),
    (0, " beside ", 1),
)
PAIR_STACKED: tuple[tuple[Piece, ...], ...] = (
    (0, " above ", 1),
    (1, " below ", 0),
    (0, " on top and ", 1, " at the bottom"),
    (1, " under ", 0),
    (0, " over ", 1),
)
ROW: tuple[tuple[Piece, ...], ...] = (
    (0, ", ", 1, " and ", 2),
    (0, ", ", 1, " and ", 2, " in a row"),
    (0, ", ", 1, " and ", 2, " side by side"),
    (1, " between ", 0, " and ", 2),
    (0, ", ", 1, " and ", 2, " from left to right"),
)
TRIANGLE: tuple[tuple[Piece, ...], ...] = (
    (0, " above ", 1, " and ", 2),
    (1, " and ", 2, " below ", 0),
    (0, ", ", 1, " and ", 2),
    (0, " at the top, ", 1, " and ", 2, " at the bottom"),
)
ARRANGEMENTS = {
    "single": ((0,),),
    "beside": PAIR_BESIDE,
    "stacked": PAIR_STACKED,
    "row": ROW,
    "triangle": TRIANGLE,
}

# T: the things, B: where they stand, with its preposition; S: name of such a drawing with its
# article; F: style phrase behind the things; G: the background as a noun with its article.
WITH_BACKGROUND = (
    "T B",
    "T B",
    "T B",
    "T, B",
    "S of T B",
    "S of T, B",
    "T F B",
    "T B, F",
    "T, F, B",
    "a drawing of T B",
    "a simple drawing of T, B",
    "a picture of T B",
    "an illustration of T B",
    "an image of T, B",
    "there is T B",
    "G with T",
    "G and T",
    "we see T B",
)
WITHOUT_BACKGROUND = (
    "a drawing of T",
    "S of T",
    "S showing T",
    "a simple drawing of T",
    "a picture of T, F",
    "an illustration of T",
    "a small picture of T",
)
STANDS = ("on ", "on ", "against ", "in front of ", "over ")


def background_noun(kind: str, colours: Sequence[str], rng: Random) -> tuple[str, str]:
    """(article, words) naming a background. kind: see `layout.BACKGROUND_KINDS`."""
    if kind == "plain":
        plain = rng.choice(("", "", "", "plain "))
        words = f"{plain}{colours[0]} background"
        return f"{indefinite(words)} ", words
    first, second = colours
    choices = {
        "stacked": (
            f"two-tone background, {first} above {second}",
            f"background of {first} above {second}",
            f"background, {first} at the top and {second} at the bottom",
        ),
        "split": (
            f"two-tone background, {first} on the left and {second} on the right",
            f"half {first}, half {second} background",
        ),
        "gradient": (
            f"background fading from {first} to {second}",
            f"gradient from {first} at the top to {second}",
            f"{first} to {second} gradient",
        ),
    }
    words = rng.choice(choices[kind])
    return f"{indefinite(words)} ", words


def _arrange(things: Sequence[Thing], layout: str, rng: Random) -> list[Segment]:
    segments: list[Segment] = []
    for piece in rng.choice(ARRANGEMENTS[layout]):
        if isinstance(piece, str):
            segments.append(Segment(piece))
        else:
            segments += thing_segments(things[piece], piece)
    return segments


def expand(
    template: str,
    things: Sequence[Segment],
    noun: Sequence[Segment],
    style: str,
    rng: Random,
    stands: Sequence[str] = STANDS,
) -> list[Segment]:
    """A template's letters filled in. noun: the background with its article."""
    names, behind = STYLES[style]
    segments: list[Segment] = []
    for ch in _tokens(template):
        if ch == "T":
            segments += things
        elif ch == "B":
            segments += [Segment(rng.choice(stands)), *noun]
        elif ch == "G":
            segments += noun
        elif ch == "S":
            name = rng.choice(names)
            segments.append(Segment(f"{indefinite(name)} {name}"))
        elif ch == "F":
            segments.append(Segment(rng.choice(behind)))
        else:
            segments.append(Segment(ch))
    return segments


def _tokens(template: str) -> list[str]:
    """Split a template into its capital letters and the text between them."""
    out = [""]
    for ch in template:
        if ch.isupper():
            out += [ch, ""]
        else:
            out[-1] += ch
    return [token for token in out if token]


def write_caption(
    things: Sequence[Thing],
    layout: str,
    background: tuple[str, Sequence[str]],
    style: str,
    rng: Random,
    *,
    background_share: float = 0.85,
    named: bool = False,
) -> tuple[str, tuple[Span, ...]]:
    """A caption of 5 to 25 words, and where its phrases stand.

    layout: a key of `ARRANGEMENTS`; background: (kind, colour names); named: the style is, for
    sure.
    """
    for _ in range(8):
        mention = rng.random() < background_share
        templates = WITH_BACKGROUND if mention else WITHOUT_BACKGROUND
        template = rng.choice([t for t in templates if not named or "S" in t or "F" in t])
        glue, words = background_noun(background[0], background[1], rng)
        noun = [Segment(glue), Segment(words, (("background", ()),))]
        segments = expand(template, _arrange(things, layout, rng), noun, style, rng)
        caption, spans = join_segments(segments)
        if MIN_WORDS <= len(caption.split()) <= MAX_WORDS:
            break
    return caption, spans
