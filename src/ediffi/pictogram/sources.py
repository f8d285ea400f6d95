"""The packages the pictogram grid is made of: names, hashes, licences, and fetching them.

Every package is pinned by the sha256 of its archive. They come from the user's own `npm pack`,
or from a folder that holds the same .tgz files.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from ediffi.core.errors import UserError
from ediffi.core.files import file_sha256


@dataclass(frozen=True)
class Package:
    """One npm package. style: the grid style it draws, or None for names and keywords."""

    name: str
    version: str
    sha256: str
    licence: str
    attribution: str
    style: str | None = None

    @property
    def archive(self) -> str:
        """File name that `npm pack` gives, e.g. iconify-json-noto-1.2.9.tgz."""
        return f"{self.name.lstrip('@').replace('/', '-')}-{self.version}.tgz"


def _iconify(style: str, version: str, sha256: str, licence: str, attribution: str) -> Package:
    return Package(f"@iconify-json/{style}", version, sha256, licence, attribution, style)


_GOOGLE = "Noto Emoji by Google Inc, https://github.com/googlefonts/noto-emoji"
_MICROSOFT = "Fluent Emoji by Microsoft Corporation, https://github.com/microsoft/fluentui-emoji"
_EMOJIONE = "EmojiOne 2 by Emoji One, https://github.com/EmojiTwo/emojitwo"

PICTOGRAM: tuple[Package, ...] = (
    _iconify(
        "noto",
        "1.2.9",
        "3e918d88fc945c0bb3d468dbace6f88caef67f01c9f0e7bcae0915a042e8f1ad",
        "Apache-2.0",
        _GOOGLE,
    ),
    _iconify(
        "noto-v1",
        "1.2.5",
        "2bf62c26c2c2884aa99e90aec942cdaee17a5921f05690694f4978ad4b017c37",
        "Apache-2.0",
        _GOOGLE,
    ),
    _iconify(
        "twemoji",
        "1.2.5",
        "19046dff7d8707ce96212ec86468b36ac5f8e60409629dd13f809265c6d0ebb7",
        "CC-BY-4.0",
        "Twemoji by Twitter and contributors, https://github.com/jdecked/twemoji",
    ),
    _iconify(
        "fxemoji",
        "1.2.2",
        "f3e72b3c59d05e1db03b7e308d55c0d05bd7ba3f625a90da1b79313c12858eef",
        "Apache-2.0",
        "FxEmojis by Mozilla, https://github.com/mozilla/fxemoji",
    ),
    _iconify(
        "emojione",
        "1.2.3",
        "26a14f44284407e8bcde91799388dca2bfd91dbcd55a97f425524a1c5b73610e",
        "CC-BY-4.0",
        _EMOJIONE,
    ),
    _iconify(
        "emojione-monotone",
        "1.2.1",
        "40b90004bafb406b59266155ef9b7e1dd67bf2947fc8db8d07388776f4d0d04e",
        "CC-BY-4.0",
        _EMOJIONE,
    ),
    _iconify(
        "fluent-emoji",
        "1.2.7",
        "8044210dbf11e016d4de85f15d01a243423bd832457e7e2491df1b751c0e272b",
        "MIT",
        _MICROSOFT,
    ),
    _iconify(
        "fluent-emoji-flat",
        "1.2.6",
        "7d064769dee690815f823bc5bcc511d957198caf9f5edd8dd9c1aa48a6aeb175",
        "MIT",
        _MICROSOFT,
    ),
    _iconify(
        "fluent-emoji-high-contrast",
        "1.2.6",
        "0b92d48c90d2200bd499e3cdd09a127ca6a8c8ddefd34c35eb5a1e4994012ae0",
        "MIT",
        _MICROSOFT,
    ),
    Package(
        "@lobehub/fluent-emoji-3d",
        "1.1.0",
        "c1bb7eee7de090205a232518a9ab4adb3df458bfbe8a1f78232991194c8b2e58",
        "MIT",
        _MICROSOFT,
        "fluent-emoji-3d",
    ),
    _iconify(
        "streamline-emojis",
        "1.2.4",
        "5dac87c876b322500989828c5823143e0100d78881627a2e4081a4b897cbfdbc",
        "CC-BY-4.0",
        "Streamline Emojis by Streamline, https://github.com/webalys-hq/streamline-vectors",
    ),
    Package(
        "emojibase-data",
        "17.0.0",
        "d01d0e2ca4e22cb402679532155342c71e2e871f25c32223c013b8b166ebdf5a",
        "MIT",
        "emojibase-data by Miles Johnson, https://github.com/milesj/emojibase",
    ),
)


def pictogram_dir(cache: Path | None = None) -> Path:
    """Where the grid lives: `cache`, else $EDIFFI_CACHE/pictogram, else the user's cache folder."""
    return cache_root() / "pictogram" if cache is None else Path(cache)


def variants_dir(cache: Path | None = None) -> Path:
    """Where the variants of a grid live: a folder beside its own."""
    main = pictogram_dir(cache)
    return main.with_name(f"{main.name}-variants")


def cache_root() -> Path:
    """Where data and training runs are kept: $EDIFFI_CACHE, or the user's cache folder."""
    return Path(os.environ.get("EDIFFI_CACHE") or platformdirs.user_cache_dir("ediffi"))


def check(path: Path, package: Package) -> None:
    """Refuse an archive whose bytes are not the pinned ones."""
    found = file_sha256(path)
    if found != package.sha256:
        raise UserError(
            f"{path}: wrong contents for {package.name} {package.version}: sha256 is {found}, "
            f"expected {package.sha256}. Delete the file and build again."
        )


def fetch(
    packages: Sequence[Package],
    target: Path,
    *,
    source: Path | None = None,
    on_done: Callable[[Package, bool], None] = lambda package, fetched: None,
) -> dict[str, Path]:
    """Put every archive into `target`, checked; what is there and good is kept.

    source: a folder with the .tgz files; None asks the user's `npm pack`.
    Returns archive paths by package name. `on_done(package, fetched)` is called after each.
    """
    target.mkdir(parents=True, exist_ok=True)
    paths = {}
    for package in packages:
        path = target / package.archive
        missing = not path.exists()
        if missing:
            _fetch_one(package, path, source)
        check(path, package)
        paths[package.name] = path
        on_done(package, missing)
    return paths


def _fetch_one(package: Package, path: Path, source: Path | None) -> None:
    """Copy or download to a temporary folder beside `path`, check, then rename into place."""
    with tempfile.TemporaryDirectory(
        dir=path.parent, prefix=".fetch-", ignore_cleanup_errors=True
    ) as folder:
        part = Path(folder) / package.archive
        if source is not None:
            _copy(package, source, part)
        else:
            _npm_pack(package, part)
        check(part, package)
        part.rename(path)


def _copy(package: Package, source: Path, part: Path) -> None:
    original = source / package.archive
    if not original.exists():
        raise UserError(f"{source} has no {package.archive}: get it with {_command(package)}")
    shutil.copyfile(original, part)
    check(original, package)  # name the user's own file, not our copy, when it is a bad one


def _command(package: Package) -> str:
    return f"npm pack {package.name}@{package.version}"


def _npm_pack(package: Package, part: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise UserError(
            "npm was not found. Install Node.js, or fetch the packages elsewhere with "
            f"`{_command(package)}` (and so on) and pass their folder with --from DIR."
        )
    args = [npm, "pack", f"{package.name}@{package.version}", "--silent"]
    done = subprocess.run(args, cwd=part.parent, capture_output=True, text=True)
    if done.returncode or not part.exists():
        detail = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["no message"]
        raise UserError(f"`{_command(package)}` failed: {detail[0]}")
