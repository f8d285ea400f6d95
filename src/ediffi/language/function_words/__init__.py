"""Colours, places and small words of some languages, so that a short sentence can be read.

Nothing here knows grammar: `languages.understand` looks for things, their colours, the background
and where things are to each other. Latin letters are matched without accents and endings.
"""

from __future__ import annotations

from ediffi.language.function_words.east_asian import EAST_ASIAN
from ediffi.language.function_words.form import INVERSE, FunctionWords
from ediffi.language.function_words.germanic import GERMANIC
from ediffi.language.function_words.romance import ROMANCE
from ediffi.language.function_words.slavic import SLAVIC

__all__ = ["INVERSE", "WORDS", "FunctionWords"]

WORDS = {**EAST_ASIAN, **GERMANIC, **ROMANCE, **SLAVIC, "es-mx": ROMANCE["es"]}
