"""What a picture file tells of where it comes from, and which of its marks that rests on."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ediffi.core.errors import UserError, note
from ediffi.core.pictures import BadPicture, read_picture
from ediffi.trust.detector import looks_drawn
from ediffi.trust.keys import keys_folder, load_keys
from ediffi.trust.manifest import installed
from ediffi.trust.metadata import Metadata, read_metadata
from ediffi.trust.reading import ManifestFound, read_manifest
from ediffi.trust.watermark.mark import MarkFound, shipped_watermark

MAX_BYTES = 200_000_000
Verdict = Literal["trusted", "valid", "altered", "invalid", "marked", "told", "unknown"]
RESTS_ON: dict[str, str] = {
    "trusted": "manifest",
    "valid": "manifest",
    "altered": "manifest",
    "invalid": "manifest",
    "marked": "watermark",
    "told": "metadata",
}
WORDS: dict[str, str] = {
    "trusted": "signed by somebody you trust, and unchanged since",
    "valid": "unchanged since it was signed, by somebody nobody here vouches for",
    "altered": "changed since it was signed: what its manifest says is not about this file",
    "invalid": "signed with a certificate that does not count",
    "marked": "its pixels carry the mark of a model; nothing signed says more",
    "told": "its metadata say that a model made it; anybody can write that, or delete it",
    "unknown": "nothing here says where it comes from",
}
ABSENCE = (
    "No mark is no proof: most programs delete manifests and metadata, a watermark can be removed "
    "on purpose, and most pictures, drawn by people or by models, never had any."
)


@dataclass(frozen=True)
class Verified:
    """The findings about one file. manifest: None where the extra `trust` is missing; watermark:
    None if there is none, or nothing to look with, see `looked`. looks_drawn: see `detector`; a
    hint, on which no verdict rests, and asked for only where nothing else says anything."""

    file: str
    verdict: Verdict
    manifest: ManifestFound | None
    watermark: MarkFound | None
    looked: bool
    metadata: Metadata
    looks_drawn: float | None = None

    @property
    def rests_on(self) -> str | None:
        return RESTS_ON.get(self.verdict)

    def described(self) -> dict[str, Any]:
        """As JSON values."""
        facts = asdict(self)
        facts["watermark"] = None
        if self.watermark is not None:
            facts["watermark"] = asdict(self.watermark.payload) | {
                "probability": 1 - self.watermark.chance,
                "chance_if_unmarked": self.watermark.chance,
                "share_seen": self.watermark.share,
                "mirrored": self.watermark.mirrored,
                "wrong_bits": self.watermark.wrong,
            }
        return facts | {"rests_on": self.rests_on, "means": WORDS[self.verdict]}


def trusted_roots(files: Sequence[Path] = ()) -> list[str]:
    """PEM of whom the user trusts: their own root, and these.

    Raises:
        UserError: a file cannot be read, or holds no certificate.
    """
    try:
        own = load_keys(keys_folder()) if installed() else None
    except UserError as error:
        note(f"your own signatures are not trusted: {error}")
        own = None
    roots = [own.root] if own is not None else []
    for path in files:
        try:
            text = path.read_text("ascii")
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"cannot read the root {path}: {error}") from error
        if "BEGIN CERTIFICATE" not in text:
            raise UserError(f"{path} holds no certificate: a root is a PEM file")
        roots.append(text)
    return roots


def verify(path: Path, roots: Sequence[str], *, thorough: bool = True) -> Verified:
    """Look at everything that a picture file may tell.

    roots: PEM of whom to trust; thorough: look for the mark of crops of any size too, and at a
    picture that nothing is known of with the detector.

    Raises:
        UserError: no file, or no picture, or a damaged or huge one, unless its manifest tells
        that it was changed.
    """
    data = read_file(path)
    manifest = read_manifest(data, roots) if installed() else None
    altered = manifest is not None and manifest.status == "altered"
    try:
        picture = read_picture(data, str(path)).image
    except BadPicture:
        if not altered:
            raise
        return Verified(str(path), "altered", manifest, None, False, Metadata())
    metadata = read_metadata(data)
    watermark = shipped_watermark()
    mark = None if watermark is None else watermark.find(np.asarray(picture), thorough=thorough)
    verdict: Verdict = "unknown"
    if manifest is not None and manifest.status != "absent":
        verdict = manifest.status
    elif mark is not None:
        verdict = "marked"
    elif metadata.tells:
        verdict = "told"
    looks = looks_drawn(np.asarray(picture)) if verdict == "unknown" and thorough else None
    return Verified(str(path), verdict, manifest, mark, watermark is not None, metadata, looks)


def read_file(path: Path) -> bytes:
    """The bytes of an ordinary file of a sensible size.

    Raises:
        UserError: anything else.
    """
    try:
        facts = os.stat(path)
        if not stat.S_ISREG(facts.st_mode):
            raise UserError(f"{path} is no ordinary file")
        if facts.st_size > MAX_BYTES:
            raise UserError(f"{path} is larger than {MAX_BYTES // 10**6} MB: no picture to look at")
        return path.read_bytes()
    except (OSError, ValueError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"cannot read {path}: {getattr(error, 'strerror', error)}") from error
