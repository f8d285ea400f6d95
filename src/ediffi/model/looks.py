"""Many looks from one text: what the text leaves open, style and background, the seed decides."""

from __future__ import annotations

import re

from ediffi.model.config import ModelConfig

GROUND = re.compile(r"\b(back(ground|drop)s?|gradient)\b", re.IGNORECASE)


def with_look(config: ModelConfig, text: str, seed: int, *, referred: bool = False) -> str:
    """The text with a style and a background behind it, each unless it tells one itself or the
    model knows none by name; no style if a reference shows one.

    Seeds go round config.spread and config.grounds: seed 0 has the first of each.

    >>> config.looks, config.spread, config.grounds                      # doctest: +SKIP
    ({'flat': ('in flat style',), 'noto': ('in noto style', 'noto drawing')}, ('flat', 'noto'),
     ('on a white background',))
    >>> with_look(config, "a fox", 1)                                    # doctest: +SKIP
    'a fox, in noto style, on a white background'
    """
    parts, spread = [text], config.spread
    told = referred or any(words in text for said in config.looks.values() for words in said)
    if spread and not told:
        parts.append(config.looks[spread[seed % len(spread)]][0])
    if config.grounds and not GROUND.search(text):
        parts.append(config.grounds[seed % len(config.grounds)])
    return ", ".join(parts)
