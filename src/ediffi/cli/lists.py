"""Options that take several names, split by commas."""

from __future__ import annotations


def names(text: str | None) -> tuple[str, ...] | None:
    """`t5, clip_text` -> ("t5", "clip_text"); None where the option is not given."""
    return None if text is None else tuple(name.strip() for name in text.split(","))
