"""The variants of people: built beside the grid, and held out with what they vary."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_grid import _tgz, svg_body

from ediffi.core.files import file_sha256
from ediffi.data.heldout import is_held_out
from ediffi.pictogram import build as builder
from ediffi.pictogram import sources
from ediffi.pictogram.composer import Composer, SceneConfig
from ediffi.pictogram.grid import Grid
from ediffi.pictogram.join import neutral
from ediffi.pictogram.sources import Package

HANDS = {f"{0x1F440 + n:X}": f"gesture {n}" for n in range(60)}
TONES = ("1F3FB", "1F3FD")
MAN = ("1F468-200D-1F680", "man astronaut")
FAMILY = ("1F468-200D-1F469-200D-1F466", "family: man, woman, boy")


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[Package, ...]]:
    """60 gestures in two skin tones, an astronaut and a family, in one style."""
    folder = tmp_path_factory.mktemp("archives")
    people = {**HANDS, "1F9D1-200D-1F680": "astronaut", "1F46A": "family"} | dict([MAN, FAMILY])
    entries, chars, icons = [], {}, {}
    for number, (hexcode, label) in enumerate(people.items()):
        skins = [{"hexcode": f"{hexcode}-{t}", "label": f"{label}: tone {t}"} for t in TONES]
        entry = {"hexcode": hexcode, "label": label, "group": 1, "subgroup": 5}
        entries.append(entry | ({"skins": skins} if hexcode in HANDS else {}))
        for code in (hexcode, *(str(s["hexcode"]) for s in skins)):
            chars[code.lower()] = code
            icons[code] = {"body": svg_body(number % 20 + len(code) % 3)}
    names = {"groups": {"1": "people-body"}, "subgroups": {"5": "hand"}}
    contents = {
        "": {"en/data.json": entries, "meta/groups.json": names, "meta/unicode-names.json": {}},
        "noto": {"icons.json": {"icons": icons, "width": 64, "height": 64}, "chars.json": chars},
    }
    made = []
    for style, files in contents.items():
        name = f"@tiny/{style}" if style else "emojibase-data"
        package = Package(name, "1.0.0", "", "MIT", "a test", style or None)
        _tgz(folder / package.archive, files)
        digest = file_sha256(folder / package.archive)
        made.append(Package(name, "1.0.0", digest, "MIT", "a test", style or None))
    return folder, tuple(made)


@pytest.fixture(scope="module")
def variants(packages: tuple[Path, tuple[Package, ...]]) -> Grid:
    folder, made = packages
    target = folder.parent / "variants"
    builder.build(target, archives=folder, packages=made, variants=True, workers=1)
    return Grid.load(target)


def test_variants_are_what_the_grid_leaves_out(variants: Grid) -> None:
    toned = {f"{h}-{tone}" for h in HANDS for tone in TONES}
    assert set(variants.concepts) == toned | {MAN[0], FAMILY[0]}
    bases = {hexcode: cell.base for (hexcode, _), cell in variants.cells.items()}
    assert all(bases[h] == h.split("-")[0] for h in toned)
    assert bases[MAN[0]] == "1F9D1-200D-1F680" and bases[FAMILY[0]] == "1F46A"
    assert neutral("1F469-1F3FE-200D-2764-FE0F-200D-1F468") == "1f9d1-200d-2764-200d-1f468"
    assert not (variants.path / "packages").exists()  # the archives are the grid's


def test_a_variant_is_held_out_with_what_it_varies(variants: Grid) -> None:
    only_by_base = [
        cell
        for cell in variants.cells.values()
        if cell.base and is_held_out(cell.base, "noto") and not is_held_out(cell.hexcode, "noto")
    ]
    assert only_by_base and all(cell.held_out for cell in only_by_base)
    assert variants.counts["held_out_cells"] == sum(c.held_out for c in variants.cells.values())
    train = Composer(variants, SceneConfig(styles=("noto",)))
    shown = {(i.hexcode, i.style) for n in range(1200) for i in train.scene(n).items}
    assert shown == {key for key, cell in variants.cells.items() if not cell.held_out}


def test_the_main_grid_does_not_change(
    packages: tuple[Path, tuple[Package, ...]], variants: Grid, tmp_path: Path
) -> None:
    folder, made = packages
    main = tmp_path / "grid"
    builder.build(main, source=folder, packages=made, workers=1)
    before = {f.name: f.read_bytes() for f in main.iterdir() if f.is_file()}
    assert "bases" not in before["grid.json"].decode()
    beside = sources.variants_dir(main)
    assert beside == tmp_path / "grid-variants"
    kept = main / "packages"
    counts = builder.build(beside, archives=kept, packages=made, variants=True, workers=1)
    assert counts["cells"] == 2 * len(HANDS) + 2
    assert {f.name: f.read_bytes() for f in main.iterdir() if f.is_file()} == before
    for name in ("grid.json", "drawings.bin", "sprites.bin"):  # a second build, byte by byte
        assert (beside / name).read_bytes() == (variants.path / name).read_bytes()
    assert builder.is_built(beside, made, variants=True) and not builder.is_built(beside, made)
