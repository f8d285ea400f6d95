"""Encoders that turn prompts into token states."""

from ediffi.conditioning.cache import CachedText
from ediffi.conditioning.prompt import check_use, load_encoder, make_prompt
from ediffi.conditioning.spans import Span, token_columns
from ediffi.conditioning.spec import DEFAULT_TEXT, EncoderSpec
from ediffi.conditioning.style import Style
from ediffi.conditioning.text import TextEncoder, check_prompt

__all__ = [
    "DEFAULT_TEXT",
    "CachedText",
    "EncoderSpec",
    "Span",
    "Style",
    "TextEncoder",
    "check_prompt",
    "check_use",
    "load_encoder",
    "make_prompt",
    "token_columns",
]
