"""Fetching, joining and building the grid, from tiny packages and without a network."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tiny_grid import CONCEPTS, STYLES, tiny_grid, write_packages

from ediffi.core.errors import UserError
from ediffi.core.files import file_sha256
from ediffi.data.heldout import is_held_out
from ediffi.pictogram import build as builder
from ediffi.pictogram import sources
from ediffi.pictogram.grid import Grid
from ediffi.pictogram.join import codepoints, read_concepts, slug


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Grid:
    return tiny_grid(tmp_path_factory.mktemp("tiny"))


def test_pinned_packages_are_the_twelve_and_their_licences_allow_shipping() -> None:
    assert len(sources.PICTOGRAM) == 12
    assert len({p.style for p in sources.PICTOGRAM if p.style}) == 11
    assert all(len(p.sha256) == 64 for p in sources.PICTOGRAM)
    assert {p.licence for p in sources.PICTOGRAM} == {"Apache-2.0", "MIT", "CC-BY-4.0"}
    assert sources.PICTOGRAM[0].archive == "iconify-json-noto-1.2.9.tgz"


def test_flags_components_and_gendered_sequences_are_no_concepts(tmp_path: Path) -> None:
    packages = write_packages(tmp_path)
    concepts = read_concepts(tmp_path / packages[-1].archive)
    assert [c.hexcode for c in concepts] == list(CONCEPTS)


def test_grid_has_what_the_sets_draw(built: Grid) -> None:
    assert tuple(built.styles) == STYLES
    assert built.counts["concepts"] == len(built.concepts) == len(CONCEPTS)
    per_style = {"noto": 11, "emojione": 13, "emojione-monotone": 13, "fluent-emoji-3d": 9}
    assert built.counts["cells_per_style"] == per_style
    assert built.counts["cells"] == len(built.cells) == sum(per_style.values())
    held_out = sum(is_held_out(h, s) for h, s in built.cells)
    assert built.counts["held_out_cells"] == held_out > 0
    assert built.counts["held_out_concepts"] == 1


def test_cells_know_their_source(built: Grid) -> None:
    cell = built.cells["1F431", "emojione"]
    assert cell.name == "kitty"  # by its alias
    assert (cell.concept.label, cell.licence, cell.drawing) == ("cat face", "MIT", "emojione")
    assert cell.concept.group == "animals-nature"
    assert b"<ellipse" in built.source(cell)
    assert built.source(built.cells["1F98A", "fluent-emoji-3d"])[8:12] == b"WEBP"


def test_sprites_are_trimmed_premultiplied_and_256_px(built: Grid) -> None:
    for cell in built.cells.values():
        sprite = built.sprite(cell)
        assert sprite.dtype.name == "uint8" and sprite.shape[2] == 4
        assert (sprite[..., :3] <= sprite[..., 3:]).all(), "not premultiplied"
        if cell.format == "svg":
            assert max(sprite.shape) == 256
            _, _, width, height = cell.box
            assert abs(width / height - sprite.shape[1] / sprite.shape[0]) < 1e-4
        edges = (sprite[:4], sprite[-4:], sprite[:, :4], sprite[:, -4:])
        assert all(edge[..., 3].any() for edge in edges), "a clear border was left"


def test_broken_drawings_are_named_and_skipped(tmp_path: Path) -> None:
    packages = write_packages(tmp_path / "archives")
    messages: list[str] = []
    counts = builder.build(
        tmp_path / "grid",
        source=tmp_path / "archives",
        packages=packages,
        workers=1,
        on_broken=messages.append,
    )
    assert counts["broken"] == 2
    assert [m.split(":")[0] for m in messages] == ["noto/owl", "noto/house"]
    grid = Grid.load(tmp_path / "grid")
    assert ("1F3E0", "noto") not in grid.cells and ("1F3E0", "emojione") in grid.cells


def test_second_build_is_byte_identical(built: Grid, tmp_path: Path) -> None:
    archives = built.path.parent / "archives"
    builder.build(tmp_path, source=archives, packages=built.packages, workers=2)
    for name in ("grid.json", "drawings.bin", "sprites.bin"):
        assert (built.path / name).read_bytes() == (tmp_path / name).read_bytes(), name


def test_corrupted_archive_is_refused_by_name_and_both_hashes(tmp_path: Path) -> None:
    packages = write_packages(tmp_path / "archives")
    bad = tmp_path / "archives" / packages[0].archive
    bad.write_bytes(bad.read_bytes()[:-1] + b"?")
    with pytest.raises(UserError) as caught:
        sources.fetch(packages, tmp_path / "cache", source=tmp_path / "archives")
    for part in (packages[0].archive, packages[0].sha256, file_sha256(bad)):
        assert part in str(caught.value)
    assert not (tmp_path / "cache" / packages[0].archive).exists()


def test_fetch_keeps_good_files_and_leaves_no_parts(tmp_path: Path) -> None:
    packages = write_packages(tmp_path / "archives")
    cache = tmp_path / "cache"
    fetched: list[bool] = []
    sources.fetch(packages[:2], cache, source=tmp_path / "archives")
    sources.fetch(
        packages, cache, source=tmp_path / "archives", on_done=lambda p, new: fetched.append(new)
    )
    assert fetched == [False, False, True, True, True]
    assert sorted(f.name for f in cache.iterdir()) == sorted(p.archive for p in packages)


def test_missing_archive_and_missing_npm_say_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages = write_packages(tmp_path / "archives")
    with pytest.raises(UserError, match=r"npm pack @tiny/noto@1\.0\.0"):
        sources.fetch(packages, tmp_path / "cache", source=tmp_path)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UserError, match=r"npm was not found.*--from"):
        sources.fetch(packages, tmp_path / "cache")


def test_interrupted_build_leaves_the_old_grid(built: Grid, tmp_path: Path) -> None:
    grid = tiny_grid(tmp_path)
    before = (grid.path / "grid.json").read_bytes()
    packages = write_packages(tmp_path / "archives")

    def stop(done: int, total: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        builder.build(grid.path, packages=packages, workers=1, on_cell=stop)
    assert (grid.path / "grid.json").read_bytes() == before
    assert not list(grid.path.glob("*.part"))
    assert builder.is_built(grid.path, packages)


def test_grid_not_built_says_how(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="run: ediffi data build pictogram"):
        Grid.load(tmp_path)


def test_truncated_sprites_are_noticed(tmp_path: Path) -> None:
    grid = tiny_grid(tmp_path)
    path = grid.path / "sprites.bin"
    path.write_bytes(path.read_bytes()[:-10])
    assert not builder.is_built(grid.path, grid.packages)
    with pytest.raises(UserError, match=r"sprites\.bin has \d+ bytes"):
        Grid.load(grid.path)


def test_cache_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDIFFI_CACHE", "/somewhere")
    assert sources.pictogram_dir() == Path("/somewhere/pictogram")
    assert sources.pictogram_dir(Path("/other")) == Path("/other")


@pytest.mark.parametrize(
    ("name", "key"), [("0023-FE0F-20E3", "23-20e3"), ("1F408-200D-2B1B", "1f408-200d-2b1b")]
)
def test_codepoints(name: str, key: str) -> None:
    assert codepoints(name) == key


def test_slug_keeps_the_signs_that_tell_names_apart() -> None:
    assert slug("keycap: #") != slug("keycap: *") != slug("keycap")
    assert slug("up! button") != slug("up button")


def test_grid_json_states_counts_and_packages(built: Grid) -> None:
    meta = json.loads((built.path / "grid.json").read_text())
    assert meta["counts"] == built.counts
    assert [p["licence"] for p in meta["packages"]] == ["MIT"] * 5
