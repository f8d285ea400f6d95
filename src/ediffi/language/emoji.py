"""Emoji in a prompt, put into words."""

from __future__ import annotations

import re
from functools import cache

from ediffi.language.lexicon import english_name, table
from ediffi.language.sentence import with_article
from ediffi.language.tracked import Tracked

SKIN_OR_VARIATION = "[\U0001f3fb-\U0001f3ff\ufe0f]"
VARIATION = "\ufe0f"
# The grid has the people of a sequence once: a woman or man with a rocket is an astronaut.
MAN_OR_WOMAN = re.compile("[\N{MAN}\N{WOMAN}](?=\N{ZERO WIDTH JOINER})")
GENDER = re.compile("\N{ZERO WIDTH JOINER}[\N{FEMALE SIGN}\N{MALE SIGN}]")
FIRST_EMOJI = 0x2300  # signs below it, as in "5 °C" and "Acme™", are text
COUNTED = re.compile(r"\b(an?|the|one|two|three|four|his|her|my|your)( \w+)?\s*$")


def name_emoji(prompt: Tracked, known: frozenset[str]) -> Tracked:
    """The prompt with every emoji replaced by what it shows.

    >>> name_emoji(Tracked.of("🦊🚀"), frozenset()).text
    'a fox and a rocket'
    """
    if all(ord(ch) < FIRST_EMOJI for ch in prompt.text):
        return prompt
    emoji, longest = _emoji()
    plain = prompt.sub(SKIN_OR_VARIATION, "").sub(MAN_OR_WOMAN, "\N{ADULT}").sub(GENDER, "")
    position, after_emoji, any_emoji = 0, False, False
    while position < len(plain.text):
        sizes = range(min(longest, len(plain.text) - position), 0, -1)
        size = next((n for n in sizes if plain.text[position : position + n] in emoji), 0)
        if not size:
            after_emoji = after_emoji and plain.text[position].isspace()
            position += 1
            continue
        shown = english_name(emoji[plain.text[position : position + size]], known)
        if after_emoji:
            shown = f"and {with_article(shown)}"
        elif not COUNTED.search(plain.text[:position]):
            shown = with_article(shown)
        plain = plain.replace((position, position + size), f" {shown} ")
        position += len(shown) + 2
        after_emoji = any_emoji = True
    return plain.sub(r"\s+", " ").sub("^ | $", "") if any_emoji else prompt


@cache
def _emoji() -> tuple[dict[str, str], int]:
    """Concepts by their characters, and the most characters one has."""
    found = {}
    for hexcode in table()["names"]:
        codes = [int(part, 16) for part in hexcode.split("-")]
        characters = "".join(chr(code) for code in codes).replace(VARIATION, "")
        if ord(max(characters)) >= FIRST_EMOJI:
            found[characters] = hexcode
    return found, max(map(len, found))
