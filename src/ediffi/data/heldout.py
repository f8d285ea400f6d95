"""Which pictures no stage, encoder or extractor ever trains on.

The rule is a closed form of names, so that anyone can check it without this package: no list,
no random state, nothing to lose. A *drawing* is what styles share geometry: Fluent's four styles
are one drawing, EmojiOne's two are one, every other style is its own.
"""

from __future__ import annotations

from hashlib import sha256

CELL_MODULUS = 20
CONCEPT_MODULUS = 50


def _number(text: str) -> int:
    return int(sha256(text.encode()).hexdigest(), 16)


def drawing(style: str) -> str:
    """The drawing a style belongs to.

    >>> drawing("fluent-emoji-3d"), drawing("emojione-monotone"), drawing("noto-v1")
    ('fluent', 'emojione', 'noto-v1')
    """
    for shared, prefix in (("fluent", "fluent-emoji"), ("emojione", "emojione")):
        if style.startswith(prefix):
            return shared
    return style


def is_concept_held_out(hexcode: str) -> bool:
    """True when the whole concept is held out, in every style (about 1 in 50).

    hexcode: as in emojibase-data, upper case, e.g. "1F98A" or "1F408-200D-2B1B".
    """
    return _number(hexcode) % CONCEPT_MODULUS == 0


def is_held_out(hexcode: str, style: str) -> bool:
    """True when this picture must not be trained on: its cell (1 in 20) or concept is held out."""
    cell = f"{hexcode}|{drawing(style)}"
    return _number(cell) % CELL_MODULUS == 0 or is_concept_held_out(hexcode)


def half(hexcode: str, style: str) -> int:
    """0 or 1: which half of the data the drawing is in, for the noise floor of a distance."""
    return _number(f"half|{hexcode}|{drawing(style)}") % 2
