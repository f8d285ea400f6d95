"""Licences as SPDX expressions, and whether a policy allows them."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ediffi.core.errors import UserError

# How pictures' licences are mostly written where they are not written as SPDX has it.
CC_URL = re.compile(
    r"https?://creativecommons\.org/(?:licenses|publicdomain)/(?P<kind>[a-z-]+)/(?P<version>[\d.]+)"
)
CC_WORDS = re.compile(r"cc[ -](?P<kind>by(?:-(?:nc|sa|nd))*)[ -](?P<version>\d\.\d)")
REFERENCE = re.compile(r"LicenseRef-[A-Za-z0-9.-]+")


@dataclass(frozen=True)
class Licences:
    """Reads what collections write. names: what they write -> the SPDX expression that is meant."""

    names: Mapping[str, str] = field(default_factory=dict)

    def spdx(self, written: str) -> str | None:
        """The SPDX expression; None if it is none that anyone knows.

        >>> [Licences().spdx(text) for text in ("cc by 4.0", "mit OR apache-2.0", "all rights")]
        ['CC-BY-4.0', 'MIT OR Apache-2.0', None]
        """
        text = self.names.get(written.strip(), written).strip()
        if REFERENCE.fullmatch(text):  # of one's own: SPDX leaves these to whoever writes them
            return text
        text = _creative_commons(text) or text
        try:
            found = self._spdx.validate(text)
        except AttributeError:  # its own error for some malformed text is broken
            return None
        return None if found.errors or not text else found.normalized_expression

    def allowed(self, expression: str, allow: Collection[str]) -> bool:
        """Whether an expression can be met by licences of the list alone: one side of an OR, both
        of an AND; a licence WITH an exception as it is written.

        >>> Licences().allowed("MIT OR GPL-3.0-only", ["MIT"])
        True
        """
        return _met(self._spdx.parse(expression), set(allow))

    @cached_property
    def _spdx(self) -> Any:
        try:
            from license_expression import get_spdx_licensing
        except ImportError as error:
            raise UserError(
                f"audits need {error.name}: run: pip install 'ediffi[audit]'"
            ) from error
        return get_spdx_licensing()


def _creative_commons(text: str) -> str | None:
    """The SPDX name of a Creative Commons address, or of words like "CC BY 4.0"."""
    address = CC_URL.match(text)
    if address:
        kind = {"zero": "CC0", "mark": None}.get(address["kind"], f"CC-{address['kind'].upper()}")
        return f"{kind}-{address['version']}" if kind else None
    words = CC_WORDS.fullmatch(text.lower())
    if words:
        return f"CC-{words['kind'].upper()}-{words['version']}"
    return "CC0-1.0" if text.upper() in ("CC0", "CC0 1.0") else None


def _met(expression: Any, allow: set[str]) -> bool:
    if expression.args:
        parts = [_met(part, allow) for part in expression.args]
        return any(parts) if "OR" in type(expression).__name__ else all(parts)
    return expression.render() in allow
