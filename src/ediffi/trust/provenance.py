"""What is done to every picture that leaves: with the user's keys, as far as they agreed."""

from __future__ import annotations

from dataclasses import dataclass

from ediffi.core.errors import UserError, note
from ediffi.trust.keys import Keys, ensure_keys, keys_folder, load_settings
from ediffi.trust.manifest import installed
from ediffi.trust.watermark.mark import Watermark, shipped_watermark


@dataclass(frozen=True)
class Provenance:
    """keys: pictures are signed with, if any; prompts: whether the signed part tells the prompt;
    watermark: puts a mark into the pixels, if any."""

    keys: Keys | None = None
    prompts: bool = False
    watermark: Watermark | None = None


def user_provenance() -> Provenance:
    """The user's; keys are made at the first use. Nothing without the extra `trust`, or where keys
    cannot be kept, which is said."""
    if not installed():
        return Provenance()
    folder = keys_folder()
    try:
        settings = load_settings(folder)
        keys = ensure_keys(folder) if settings.sign else None
    except UserError as error:
        note(f"the picture is not signed: {error}")
        return Provenance()
    return Provenance(keys, settings.prompts, shipped_watermark() if settings.watermark else None)
