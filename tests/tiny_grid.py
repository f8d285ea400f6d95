"""A pictogram grid of thirteen concepts in four styles, from packages made on the spot.

The packages have the real ones' layout (an icon set with code points, one with names and aliases,
a one-colour set, a folder of WebP), so that fetching, joining and building run as they are.
"""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from ediffi.core.files import file_sha256
from ediffi.pictogram.build import build
from ediffi.pictogram.grid import Grid
from ediffi.pictogram.sources import Package

CONCEPTS = {  # hexcode: (label, group, subgroup)
    "1F98A": ("fox", 3, 34),
    "1F431": ("cat face", 3, 34),
    "1F680": ("rocket", 5, 56),
    "1F34E": ("red apple", 4, 42),
    "1F347": ("grapes", 4, 42),
    "1F989": ("owl", 3, 35),
    "1F3E0": ("house", 5, 51),
    "1F987": ("bat", 3, 34),  # a held-out concept
    "1F406": ("leopard", 3, 34),  # held out in one drawing or more
    "1F429": ("poodle", 3, 34),
    "1F424": ("baby chick", 3, 35),
    "1F570": ("mantelpiece clock", 5, 58),
    "0023-FE0F-20E3": ("keycap: #", 8, 94),
}
DROPPED = [  # not concepts: a flag, a component, a gendered person, an entry without a group
    {"hexcode": "1F1E9-1F1EA", "label": "flag: germany", "group": 9, "subgroup": 98},
    {"hexcode": "1F3FB", "label": "light skin tone", "group": 2, "subgroup": 32},
    {"hexcode": "1F468-200D-1F680", "label": "man astronaut", "group": 1, "subgroup": 25},
    {"hexcode": "1F1E6", "label": "regional indicator a"},
]
STYLES = ("noto", "emojione", "emojione-monotone", "fluent-emoji-3d")
GROUPS = {"groups": {str(i): f"group-{i}" for i in range(10)}}
GROUPS["groups"] |= {"8": "symbols", "3": "animals-nature"}
GROUPS["subgroups"] = {str(i): "time" if i == 58 else f"subgroup-{i}" for i in range(100)}


def svg_body(number: int, fill: str = "") -> str:
    """A drawing that differs from all others, has soft and hard edges and is not symmetric."""
    fill = fill or f"hsl({number * 67 % 360},80%,50%)"
    return (
        f'<g fill="{fill}"><ellipse cx="{26 + number}" cy="34" rx="{14 + number}" ry="20"/>'
        f'<path d="M8 {10 + number}L30 12L20 40Z"/></g>'
        f'<circle cx="24" cy="28" r="5" fill="{"none" if fill == "currentColor" else "#fff"}"/>'
    )


def _slug(label: str) -> str:
    return label.replace(": #", "-hashtag").replace(" ", "-")


def _tgz(path: Path, files: dict[str, Any]) -> None:
    # No time stamp, so that the same packages written twice have the same hash.
    with gzip.GzipFile(path, "wb", mtime=0) as file, tarfile.open(fileobj=file, mode="w") as tar:
        for name, content in files.items():
            data = content if isinstance(content, bytes) else json.dumps(content).encode()
            info = tarfile.TarInfo(f"package/{name}")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def _webp(number: int) -> bytes:
    image = Image.new("RGBA", (256, 256))
    ImageDraw.Draw(image).ellipse((40, 60, 200 + number, 190), (200, 40 + 10 * number, 90, 255))
    out = io.BytesIO()
    image.save(out, "WEBP", lossless=True)
    return out.getvalue()


def write_packages(folder: Path) -> tuple[Package, ...]:
    """Write the archives to `folder` and return them pinned by their hashes.

    noto lacks nothing but draws the house empty and the owl with broken XML; emojione names by
    label, and files the cat under an alias.
    """
    folder.mkdir(parents=True, exist_ok=True)
    numbered = list(enumerate(CONCEPTS.items()))
    icons = {_slug(label): {"body": svg_body(n)} for n, (_, (label, _, _)) in numbered}
    broken = {**icons, "house": {"body": '<path d=""/>'}, "owl": {"body": "<g><oops</g>"}}
    named = {("kitty" if name == "cat-face" else name): icon for name, icon in icons.items()}
    mono = {name: {"body": svg_body(i, "currentColor")} for i, name in enumerate(icons)}
    chars = {h.replace("-FE0F", "").lower().lstrip("0"): _slug(v[0]) for h, v in CONCEPTS.items()}
    size = {"width": 64, "height": 64}
    entries = [
        {"hexcode": h, "label": label, "group": g, "subgroup": s, "tags": [label]}
        for h, (label, g, s) in CONCEPTS.items()
    ]
    shortcodes = {f"en/shortcodes/{p}.json": {"0023-FE0F-20E3": "hashtag"} for p in ("cldr",)}
    contents: dict[str, dict[str, Any]] = {
        "noto": {"icons.json": {"icons": broken, **size}, "chars.json": chars},
        "emojione": {
            "icons.json": {"icons": named, "aliases": {"cat-face": {"parent": "kitty"}}, **size}
        },
        "emojione-monotone": {"icons.json": {"icons": mono, **size}},
        "fluent-emoji-3d": {
            f"assets/{h.lower()}.webp": _webp(n) for n, (h, _) in numbered if n < 9
        },
        "": {
            "en/data.json": entries + DROPPED,
            "meta/groups.json": GROUPS,
            "meta/unicode-names.json": {},
            **shortcodes,
        },
    }
    packages = []
    for style, files in contents.items():
        name = f"@tiny/{style}" if style else "emojibase-data"
        package = Package(name, "1.0.0", "", "MIT", "made by a test", style or None)
        path = folder / package.archive
        _tgz(path, files)
        digest = file_sha256(path)
        packages.append(Package(name, "1.0.0", digest, "MIT", "made by a test", style or None))
    return tuple(packages)


def tiny_grid(folder: Path) -> Grid:
    """Build the tiny grid under `folder` and open it."""
    packages = write_packages(folder / "archives")
    build(folder / "grid", source=folder / "archives", packages=packages, workers=1)
    return Grid.load(folder / "grid")
