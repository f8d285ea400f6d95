"""What is done to every picture that leaves: with the user's keys, as far as they agreed."""

from __future__ import annotations

from dataclasses import dataclass

from ediffi.core.errors import UserError, note
from ediffi.trust.keys import Keys, ensure_keys, keys_folder, load_settings
from ediffi.trust.manifest import installed


@dataclass(frozen=True)
class Provenance:
    """keys: pictures are signed with; prompts: whether the signed part tells the prompt."""

    keys: Keys
    prompts: bool = False


def user_provenance() -> Provenance | None:
    """The user's; keys are made at the first use. None without the extra `trust`, where the user
    turned signing off, or where keys cannot be kept, which is said."""
    if not installed():
        return None
    folder = keys_folder()
    try:
        settings = load_settings(folder)
        return Provenance(ensure_keys(folder), settings.prompts) if settings.sign else None
    except UserError as error:
        note(f"the picture is not signed: {error}")
        return None
