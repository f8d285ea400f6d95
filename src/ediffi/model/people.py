"""People where a prompt leaves them open: their attributes are drawn from stated shares and said.

The simplest remedy against a model's bias, which needs no training: sample an attribute, append it
to the prompt (compare FairT2I, arXiv 2502.03826). It can only help with what the model has learnt
to draw; `ediffi evaluate bias` measures that.
"""

from __future__ import annotations

from collections.abc import Mapping

from ediffi.diffusion import stable_hash
from ediffi.language.people import UNSTATED, Aims, person_in, phrase


def with_people(text: str, seed: int, aims: Aims) -> str:
    """The text, and behind it what it does not say itself of the people that it names.

    aims: attribute -> value -> share. Each attribute of a seed is a draw of its own.

    >>> with_people("a doctor", 1, {"presentation": {"woman": 1.0}})
    'a doctor, a woman'
    >>> with_people("a cat", 1, {"presentation": {"woman": 1.0}})
    'a cat'
    """
    person = person_in(text)
    if person is None:
        return text
    drawn = {
        attribute: _drawn(shares, stable_hash("people", attribute, seed))
        for attribute, shares in aims.items()
        if person.value(attribute) == UNSTATED
    }
    said = phrase(drawn)
    return f"{text}, {said}" if said else text


def _drawn(shares: Mapping[str, float], number: int) -> str:
    """A value with its share's probability. number: a hash."""
    place = number % 2**24 / 2**24
    for value, share in shares.items():
        place -= share
        if place < 0:
            return value
    return list(shares)[-1]
