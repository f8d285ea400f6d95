"""Which picture fills the `clip_image` role in training.

The paper shows the network the embedding of the very picture that it is to draw. Then the
embedding tells of content as well as of style, and a reference of a pizza draws a pizza. Here,
where there is text beside it, it is mostly that of another picture of the same style: style is
then all it can tell of, and content has to come from the text; one of a single thing, if there is
any, as large as in the references that people give. Where no text is heard it is the picture's own,
always, so that a picture alone can be varied.
"""

from __future__ import annotations

from ediffi.diffusion import stable_hash
from ediffi.encoders.cache import Halves
from ediffi.train.kept import BLOCK, Kept

TRIES = 40  # random pictures of the block looked at for one of the same style


def reference_of(
    kept: Kept, number: int, seed: int, *, seen: bool, text: bool, other: float
) -> Halves | None:
    """The embedding shown beside picture `number`; None if there are none.

    seen, text: whether the role and any text are heard; other: how often it is another picture's.
    """
    own = kept[number]
    if own.reference is None:
        return None
    if seen and text and stable_hash("other", seed) % 2**24 / 2**24 < other:
        return _alike(kept, number, seed)
    return own.reference


def _alike(kept: Kept, number: int, seed: int) -> Halves | None:
    """That of another picture of the same style, from the same block; the same picture's if there
    seems to be no other."""
    block, own = kept.block(number // BLOCK), kept[number]
    second = own.reference
    for attempt in range(TRIES if own.style is not None else 0):
        row = stable_hash("reference", seed, attempt) % len(block)
        if row == number % BLOCK or block.style(row) != own.style:
            continue
        if block.alone(row):
            return block.example(row).reference
        second = block.example(row).reference if second is own.reference else second
    return second
