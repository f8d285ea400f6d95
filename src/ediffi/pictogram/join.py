"""Joining picture sets by concept: which icon of which set draws which emojibase concept.

Sets with a code point table join by it. The others name their icons by CLDR label, Unicode name
or shortcode; each of those is tried in turn, and an icon is given to one concept only.
"""

from __future__ import annotations

import itertools
import json
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NAME_KINDS = 4
COMPONENT, FLAGS, PEOPLE = 2, 9, 1
GENDERED = {"1F468", "1F469"}
GENDER_SIGNS = {"2640", "2642"}
PERSON = "1F9D1"
SKIN_TONES = {"1F3FB", "1F3FC", "1F3FD", "1F3FE", "1F3FF"}
SIGNS = {"#": "hash", "*": "asterisk", "!": "exclamation"}
SHORTCODES = ("cldr", "emojibase", "github", "iamcal", "joypixels", "emojibase-legacy")

# Names that mislead, found by looking at every join whose names differ; "" joins nothing.
# In the sets below, "pistol" is a firearm and not the toy that the concept is.
CORRECTIONS: dict[str, dict[str, str]] = {
    "fxemoji": {
        "1F44B": "waving",
        "1F30A": "wave",
        "1F647": "bowing",
        "1F380": "bow",
        "1F621": "pouting",
        "1F64E": "pout",
        "1F46B": "",
        "1F52B": "",
    },
    "noto-v1": {"1F52B": ""},
    "emojione": {"1F52B": ""},
    "emojione-monotone": {"1F52B": ""},
    "streamline-emojis": {"1F5FE": "", "1F52B": ""},
}


@dataclass(frozen=True)
class Concept:
    """One thing that can be drawn. group, subgroup: names as in emojibase, e.g. food-drink."""

    hexcode: str
    label: str
    group: str
    subgroup: str
    tags: tuple[str, ...]


@dataclass(frozen=True)
class Drawing:
    """One source picture. format: svg (data is the body) or webp (data is the file).

    view: (x, y, width, height) of the picture, in its own units.
    """

    hexcode: str
    style: str
    name: str
    format: str
    view: tuple[float, float, float, float]
    data: bytes


def read_json(archive: Path, member: str) -> Any:
    """A JSON file of an npm archive, or {} when the archive has none of that name."""
    with tarfile.open(archive) as tar:
        try:
            file = tar.extractfile(f"package/{member}")
        except KeyError:
            return {}
        return json.load(file) if file else {}


def read_concepts(archive: Path) -> list[Concept]:
    """The concepts of emojibase-data: no flags, components, nor gendered or family sequences."""
    meta = read_json(archive, "meta/groups.json")
    entries = _pictured(archive)
    return [_concept(e, e["label"], meta) for e in entries if not _is_gendered(e)]


def read_variants(archive: Path) -> dict[Concept, str | None]:
    """The gendered, family and skin-tone sequences that `read_concepts` leaves out.

    Each with the hexcode of the concept that it varies, None where there is no such concept.
    """
    meta = read_json(archive, "meta/groups.json")
    entries = _pictured(archive)
    usual = [e for e in entries if not _is_gendered(e)]
    concepts = {codepoints(e["hexcode"]): e["hexcode"] for e in usual}
    labels = {e["label"].lower(): e["hexcode"] for e in usual}
    variants: dict[Concept, str | None] = {}
    for entry in entries:
        # Couples and families are made of people; only their label says what they vary.
        family = labels.get(entry["label"].lower().split(":")[0])
        base = concepts.get(neutral(entry["hexcode"]), family)
        if _is_gendered(entry):
            variants[_concept(entry, entry["label"], meta)] = base
        for skin in entry.get("skins", ()):
            variants[_concept({**entry, **skin}, skin["label"], meta)] = base
    return variants


def neutral(hexcode: str) -> str:
    """Code points of the sequence without skin tones and gender: a person stands for each.

    >>> neutral("1F468-1F3FD-200D-1F680"), neutral("1F3C3-1F3FB-200D-2640-FE0F")
    ('1f9d1-200d-1f680', '1f3c3')
    """
    joined = "-".join(part for part in hexcode.split("-") if part not in SKIN_TONES | {"FE0F"})
    for sign in GENDER_SIGNS:
        joined = joined.replace(f"-200D-{sign}", "")
    parts = joined.split("-")
    if len(parts) > 1 and parts[0] in GENDERED:
        parts[0] = PERSON
    return codepoints("-".join(parts))


def _pictured(archive: Path) -> list[dict[str, Any]]:
    """The entries of emojibase-data that are no flags and no components."""
    unwanted = (None, COMPONENT, FLAGS)
    return [e for e in read_json(archive, "en/data.json") if e.get("group") not in unwanted]


def _is_gendered(entry: dict[str, Any]) -> bool:
    parts = entry["hexcode"].split("-")
    gendered = parts[0] in GENDERED or GENDER_SIGNS.intersection(parts)
    return bool(entry["group"] == PEOPLE and "200D" in parts and gendered)


def _concept(entry: dict[str, Any], label: str, meta: dict[str, Any]) -> Concept:
    return Concept(
        hexcode=entry["hexcode"],
        label=label.lower(),
        group=meta["groups"][str(entry["group"])],
        subgroup=meta["subgroups"][str(entry["subgroup"])],
        tags=tuple(entry.get("tags", ())),
    )


def codepoints(hexcode: str) -> str:
    """Hexcode without variation selectors, case and leading zeros: the key sets agree on.

    >>> codepoints("0023-FE0F-20E3")
    '23-20e3'
    """
    parts = (f"{int(part, 16):x}" for part in hexcode.split("-"))
    return "-".join(part for part in parts if part != "fe0f")


def slug(name: str) -> str:
    """Only letters and digits, so that `hot-dog`, `hot_dog` and `hotdog` agree.

    >>> slug("keycap: #"), slug("On! arrow")
    ('keycaphash', 'onexclamationarrow')
    """
    for sign, word in SIGNS.items():
        name = name.replace(sign, word)
    return "".join(ch for ch in name.lower() if ch.isalnum())


class Names:
    """All names of each concept, best first."""

    def __init__(self, emojibase: Path) -> None:
        self.unicode = read_json(emojibase, "meta/unicode-names.json")
        self.shortcodes = [
            read_json(emojibase, f"en/shortcodes/{preset}.json") for preset in SHORTCODES
        ]
        self.filed: dict[str, list[str]] = {}

    def learn(self, chars: dict[str, str]) -> None:
        """Remember under which names a set with a code point table files its pictures."""
        for key, name in chars.items():
            self.filed.setdefault(codepoints(key), []).append(name)

    def passes(self, concept: Concept) -> list[list[str]]:
        """Names by trust: label, other sets' names, the Unicode name, shortcodes."""
        codes: list[str] = []
        for preset in self.shortcodes:
            found = preset.get(concept.hexcode, [])
            codes += [found] if isinstance(found, str) else found
        return [
            [concept.label],
            self.filed.get(codepoints(concept.hexcode), []),
            [self.unicode.get(concept.hexcode, "")],
            codes,
        ]


def _by_codepoints(concepts: Iterable[Concept], chars: dict[str, str]) -> dict[str, str]:
    table = {codepoints(key): name for key, name in chars.items()}
    keyed = ((concept.hexcode, codepoints(concept.hexcode)) for concept in concepts)
    return {hexcode: table[key] for hexcode, key in keyed if key in table}


def _by_names(
    concepts: list[Concept], icons: list[str], aliases: dict[str, Any], names: Names
) -> dict[str, str]:
    """Concept -> name. The more trusted kind of name wins; each icon is used once.

    An alias only counts after all direct names of its kind: EmojiOne's `cricket` is an alias of
    its cricket game, which is not the insect.
    """
    # `fox-1` is the first of several foxes; it stands for `fox` where there is no plain one.
    direct = {slug(icon.removesuffix("-1")): icon for icon in icons if icon.endswith("-1")}
    direct |= {slug(icon): icon for icon in icons}
    tables = [direct, {slug(alias): alias for alias in aliases}]
    found: dict[str, str] = {}
    used: set[str] = set()
    for level, table in itertools.product(range(NAME_KINDS), tables):
        for concept in concepts:
            if concept.hexcode in found:
                continue
            for name in names.passes(concept)[level]:
                icon = table.get(slug(name))
                key = str(_resolve(icon, aliases)) if icon else ""
                if icon and key not in used:
                    found[concept.hexcode] = icon
                    used.add(key)
                    break
    return found


def _resolve(name: str, aliases: dict[str, Any]) -> tuple[str, bool]:
    """The icon that a name stands for, and whether it is mirrored."""
    mirrored = False
    while name in aliases:
        mirrored ^= bool(aliases[name].get("hFlip"))
        name = aliases[name]["parent"]
    return name, mirrored


def iconify_drawings(
    archive: Path, style: str, concepts: list[Concept], names: Names
) -> list[Drawing]:
    """The drawings of one Iconify set, in the order of `concepts`."""
    icons = read_json(archive, "icons.json")
    chars = read_json(archive, "chars.json")
    aliases: dict[str, dict[str, Any]] = icons.get("aliases", {})
    if chars:
        names.learn(chars)
        table = _by_codepoints(concepts, chars)
    else:
        table = _by_names(concepts, list(icons["icons"]), aliases, names)
    table |= CORRECTIONS.get(style, {})
    drawings = []
    for concept in concepts:
        name, mirrored = _resolve(table.get(concept.hexcode, ""), aliases)
        if name not in icons["icons"]:
            continue
        icon = {"left": 0, "top": 0, "width": 16, "height": 16, **icons, **icons["icons"][name]}
        left, top, width, height = (float(icon[k]) for k in ("left", "top", "width", "height"))
        body = icon["body"]
        if mirrored:
            body = f'<g transform="matrix(-1 0 0 1 {2 * left + width} 0)">{body}</g>'
        view = (left, top, width, height)
        drawings.append(Drawing(concept.hexcode, style, name, "svg", view, body.encode()))
    return drawings


def webp_drawings(archive: Path, style: str, concepts: list[Concept]) -> list[Drawing]:
    """The drawings of a package of 256 px pictures named by code point."""
    files = {}
    with tarfile.open(archive) as tar:
        for member in tar:
            path = Path(member.name)
            file = tar.extractfile(member)
            if path.suffix == ".webp" and file:
                files[codepoints(path.stem)] = (path.stem, file.read())
    drawings = []
    for concept in concepts:
        found = files.get(codepoints(concept.hexcode))
        if found:
            view = (0.0, 0.0, 256.0, 256.0)
            drawings.append(Drawing(concept.hexcode, style, found[0], "webp", view, found[1]))
    return drawings
