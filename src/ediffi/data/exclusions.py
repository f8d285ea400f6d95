"""Pictures whose owners want them out: a list, kept in a text file.

# one entry a line; what stands behind a # is not read
picture: 1F98A/noto
concept: fox
style: noto
source: @iconify-json/noto
licence: CC-BY-4.0
sha256: 9f86d081884c7d65...       of a picture's file, imported as it was
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ediffi.core.errors import UserError

KINDS = ("picture", "concept", "style", "source", "licence", "sha256")
LINE = re.compile(r"(?P<kind>\w+):\s*(?P<value>.+)")


@dataclass(frozen=True)
class Exclusions:
    """entries: (kind, value), as they are written."""

    entries: tuple[tuple[str, str], ...]

    @classmethod
    def read(cls, path: Path) -> Exclusions:
        """Raises UserError: no such file, nothing in it, or a line that says nothing."""
        try:
            lines = path.read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"cannot read the exclusions {path}: {error}") from error
        entries = []
        for number, line in enumerate(lines, 1):
            text = re.sub(r"(^|\s)#.*", "", line).strip()
            if not text:
                continue
            match = LINE.fullmatch(text)
            if not match or match["kind"] not in KINDS:
                raise UserError(
                    f"{path}, line {number}: {text!r} is no exclusion: write one of "
                    f"{', '.join(KINDS)}, a colon and a value"
                )
            entries.append((match["kind"], match["value"].strip()))
        if not entries:
            raise UserError(f"{path} excludes nothing: write a line like `source: my-pictures`")
        return cls(tuple(entries))

    def excluding(self, **known: str | None) -> str | None:
        """The first line that a picture falls under, None if it may stay.

        known: what is known of the picture, by kind. A source is met by its whole name and by its
        name without the version behind it.
        """
        for kind, value in self.entries:
            own = known.get(kind)
            if own is None:
                continue
            if own == value or (kind == "source" and own.rpartition(" ")[0] == value):
                return f"{kind}: {value}"
        return None

    @property
    def lines(self) -> list[str]:
        """The entries as text, sorted: equal only for lists that exclude the same."""
        return sorted({f"{kind}: {value}" for kind, value in self.entries})
