"""Encoders that turn prompts into token states."""

from ediffi.encoders.cache import CachedText
from ediffi.encoders.prompt import check_use, load_encoder, make_prompt
from ediffi.encoders.spec import DEFAULT_TEXT, EncoderSpec
from ediffi.encoders.style import Style
from ediffi.encoders.text import TextEncoder, check_prompt

__all__ = [
    "DEFAULT_TEXT",
    "CachedText",
    "EncoderSpec",
    "Style",
    "TextEncoder",
    "check_prompt",
    "check_use",
    "load_encoder",
    "make_prompt",
]
