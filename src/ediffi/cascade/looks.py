"""Many looks from one text: each picture in a style of its own, where the text tells none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ediffi.diffusion import stable_hash
from ediffi.errors import UserError

Looks = Mapping[str, Sequence[str]]
"""Style -> what captions call it, first the phrase that is put behind a prompt."""


def with_look(looks: Looks, text: str, seed: int) -> str:
    """The text in a style that the seed draws, each equally likely; as it is if it tells one.

    Raises:
        UserError: the model knows no styles.

    >>> with_look({"noto": ("in noto style",)}, "a fox", 0)
    'a fox, in noto style'
    """
    if not looks:
        raise UserError("this model was taught no styles by name: it has one look")
    if any(words in text for said in looks.values() for words in said):
        return text
    style = list(looks)[stable_hash("look", seed) % len(looks)]
    return f"{text}, {looks[style][0]}"
