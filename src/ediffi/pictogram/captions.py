"""What captions are made of: styles' names, templates, relations. Change or add one here."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from ediffi.pictogram.grammar import indefinite
from ediffi.pictogram.segments import Segment

Piece = str | int  # of a relation: words, or the number of a thing

MIN_WORDS, MAX_WORDS = 5, 60
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
SIZES = {"big": ("big", "large"), "small": ("small", "little"), "huge": ("huge", "giant"),
         "tiny": ("tiny",)}  # fmt: skip

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
FRONT: tuple[tuple[Piece, ...], ...] = (
    (0, " in front of ", 1),
    (1, " behind ", 0),
    (0, " before ", 1),
    (1, " partly hidden by ", 0),
)
AMONG: tuple[tuple[Piece, ...], ...] = (
    (0, " among ", 1),
    (0, " surrounded by ", 1),
    (0, " in the middle of ", 1),
    (1, " around ", 0),
    (0, " inside a ring of ", 1),
)
SQUARE: tuple[tuple[Piece, ...], ...] = (
    (0, " and ", 1, " above ", 2, " and ", 3),
    (2, " and ", 3, " below ", 0, " and ", 1),
    (0, ", ", 1, ", ", 2, " and ", 3),
    (0, " and ", 1, " at the top, ", 2, " and ", 3, " at the bottom"),
)
ROW_OF_FOUR: tuple[tuple[Piece, ...], ...] = (
    (0, ", ", 1, ", ", 2, " and ", 3),
    (0, ", ", 1, ", ", 2, " and ", 3, " in a row"),
    (0, ", ", 1, ", ", 2, " and ", 3, " from left to right"),
)
RELATIONS = {  # by number of things and layout
    (2, "beside"): PAIR_BESIDE,
    (2, "stacked"): PAIR_STACKED,
    (2, "front"): FRONT,
    (2, "among"): AMONG,
    (3, "row"): ROW,
    (3, "triangle"): TRIANGLE,
    (4, "square"): SQUARE,
    (4, "row"): ROW_OF_FOUR,
}
COUNTED = {
    "beside": ("", "", " side by side", " next to each other"),
    "stacked": ("", " one above the other"),
    "row": ("", " in a row", " side by side"),
    "triangle": ("", "", " in a triangle"),
    "square": ("", "", " in a square"),
}


def tells_style(text: str, style: str) -> bool:
    """Whether one of the style's names or phrases is in a caption."""
    return any(words in text for words in (*STYLES[style][0], *STYLES[style][1]))


def expand(
    template: str,
    things: Sequence[Segment],
    noun: Sequence[Segment],
    style: str,
    rng: Random,
    stands: Sequence[str],
) -> list[Segment]:
    """A template's letters filled in.

    noun: the background with its article; stands: prepositions before it.
    """
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
