"""Fetch the studio's vendored files again: python -m scripts.vendor_studio.

Each entry of manifest.json names a package of npm and its version, the file in it, and the name
and SHA-256 it has here. A file of another hash is not written.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

VENDOR = Path(__file__).parents[1] / "src/ediffi/server/studio/page/vendor"


def main() -> None:
    manifest = json.loads((VENDOR / "manifest.json").read_text("utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        packed: dict[str, Path] = {}
        for entry in manifest:
            name = f"{entry['package']}@{entry['version']}"
            archive = packed.setdefault(name, _pack(name, Path(folder)))
            with tarfile.open(archive) as tar:
                file = tar.extractfile(f"package/{entry['from']}")
                assert file is not None, f"{name} has no {entry['from']}"
                data = file.read()
            found = hashlib.sha256(data).hexdigest()
            if found != entry["sha256"]:
                sys.exit(f"{name} {entry['from']}: sha256 {found}, not {entry['sha256']}")
            (VENDOR / entry["file"]).write_bytes(data)
            print(entry["file"], name)


def _pack(name: str, folder: Path) -> Path:
    """The archive of a package, by the user's own npm."""
    command = ["npm", "pack", name, "--silent", "--pack-destination", str(folder)]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return folder / told.strip().splitlines()[-1]


if __name__ == "__main__":
    main()
