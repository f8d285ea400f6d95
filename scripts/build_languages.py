"""Make src/ediffi/language/languages.json.xz from the emojibase-data package of a built grid.

    python scripts/build_languages.py

Names, labels and keywords: emojibase-data, (c) Miles Johnson, MIT.
"""

from __future__ import annotations

import json
import lzma
import tarfile
from pathlib import Path

from ediffi.pictogram.join import read_concepts, read_json
from ediffi.pictogram.scene import words
from ediffi.pictogram.sources import PICTOGRAM, check, pictogram_dir

TARGET = Path(__file__).parent.parent / "src/ediffi/language/languages.json.xz"
LEFT_OUT = {"en-gb"}  # English again


def main() -> None:
    package = next(p for p in PICTOGRAM if p.style is None)
    archive = pictogram_dir() / "packages" / package.archive
    check(archive, package)
    ours = words()
    names, groups = {}, {}
    for concept in read_concepts(archive):
        clean = " ".join("".join(c for c in concept.label if c not in ":“”()").split())
        names[concept.hexcode] = list(dict.fromkeys([*ours.get(concept.hexcode, ()), clean]))
        groups[concept.hexcode] = [concept.group, concept.subgroup]
    with tarfile.open(archive) as tar:
        data = [n.split("/")[1] for n in tar.getnames() if n.endswith("/data.json")]
    languages = {}
    for language in sorted(set(data) - LEFT_OUT):
        entries = {e["hexcode"]: e for e in read_json(archive, f"{language}/data.json")}
        rows = (entries.get(hexcode) for hexcode in names)
        languages[language] = [[e["label"], *e.get("tags", ())] if e else [] for e in rows]
    table = {
        "source": f"{package.name} {package.version}",
        "licence": f"{package.licence}, {package.attribution}",
        "names": names,
        "groups": groups,
        "languages": languages,
    }
    text = json.dumps(table, ensure_ascii=False, separators=(",", ":"))
    packed = lzma.compress(text.encode(), preset=9 | lzma.PRESET_EXTREME)
    TARGET.write_bytes(packed)
    print(f"{TARGET}: {len(packed):,} bytes, {len(languages)} languages, {len(names)} concepts")


if __name__ == "__main__":
    main()
