"""Readers: records that are not as they should be are dropped by name, and nothing else is."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from helpers.collections import png, tar
from hypothesis import given, settings
from hypothesis import strategies as st

from ediffi.core.errors import UserError
from ediffi.data.importing import import_collection
from ediffi.data.readers import Dropped, Item, Record, read

CASES = Path(__file__).with_name("cases") / "import"
PNG = png(1)


def items(source: Path, images: Path | None = None) -> tuple[list[Record], list[Dropped]]:
    found = list(read(source, images=images))
    return (
        [item for item in found if isinstance(item, Record)],
        [item for item in found if isinstance(item, Dropped)],
    )


def test_cells_that_are_a_number_are_named() -> None:
    records, dropped = items(CASES / "cells_number.tar")
    assert not records and [d.name.split(":")[1] for d in dropped] == ["00000", "00001", "00002"]
    assert all(d.reason == "bad row" and "cells" in d.detail for d in dropped)


def test_lone_surrogates_are_repaired_where_they_are_no_caption() -> None:
    records, dropped = items(CASES / "surrogate_source.tar")
    assert [r.source for r in records] == ["photo by Jo ?", None] and not dropped


def test_files_of_a_sample_need_not_stand_together() -> None:
    records, dropped = items(CASES / "unsorted.tar")
    assert [r.captions for r in records] == [(f"a thing {n}",) for n in range(3)] and not dropped


def test_a_key_ends_at_the_first_dot() -> None:
    """All are of the key "cam"; each has a caption of its own."""
    records, dropped = items(CASES / "dotted.tar")
    assert [r.name for r in records] == [f"dotted.tar:cam.2024-05-0{n}" for n in range(1, 7)]
    assert [r.captions for r in records] == [(f"picture number {n}",) for n in range(6)]
    assert not dropped


def test_several_pictures_of_one_caption_are_one_example(tmp_path: Path) -> None:
    files = {"d/1.right.png": PNG, "d/1.left.png": PNG, "d/1.txt": b"a pair", "._d/1.txt": b"x"}
    records, dropped = items(tar(tmp_path / "a.tar", files))
    assert [(r.name, r.captions) for r in records] == [("a.tar:d/1.right", ("a pair",))]
    assert [d.reason for d in dropped] == ["no picture"]


@pytest.mark.parametrize(
    ("case", "captions", "reasons"),
    [
        ("coco_category_number_name", ["7"] * 4, []),
        ("coco_licence_object", ["a thing 1", "a thing 2", "a thing 3"], ["bad row"]),
        ("coco_backslash", [], ["missing file"] * 4),
    ],
)
def test_odd_coco_files(case: str, captions: list[str], reasons: list[str]) -> None:
    records, dropped = items(CASES / f"{case}.json", CASES / "coco")
    assert [r.captions[0] for r in records] == captions
    assert [d.reason for d in dropped] == reasons


def test_windows_separators_are_separators(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for number in range(4):
        picture = CASES / "coco" / f"00{number}.jpg"
        (tmp_path / "sub" / picture.name).write_bytes(picture.read_bytes())
    records, _ = items(CASES / "coco_backslash.json", tmp_path)
    assert [r.captions[0] for r in records] == [f"a thing {n}" for n in range(4)]
    (tmp_path / "t.csv").write_text("image,caption\nsub\\000.jpg,one\n..\\secret.jpg,two\n")
    records, dropped = items(tmp_path / "t.csv")
    assert [r.captions for r in records] == [("one",)]
    assert [d.reason for d in dropped] == ["outside the folder"]


def test_a_bad_caption_costs_the_others_of_its_picture_nothing(tmp_path: Path) -> None:
    (tmp_path / "fox.png").write_bytes(png(1))
    said = [{"image_id": 1, "caption": caption} for caption in ("a fox", 5, {"x": 1}, "red")]
    data = {"images": [{"id": 1, "file_name": "fox.png"}], "annotations": said}
    (tmp_path / "coco.json").write_text(json.dumps(data))
    records, dropped = items(tmp_path / "coco.json")
    assert [record.captions for record in records] == [("a fox", "red")]
    assert [(d.name, d.reason) for d in dropped] == [
        ("annotations 1", "caption is not text"),
        ("annotations 2", "caption is not text"),
    ]


def test_ids_match_as_text_and_as_numbers(tmp_path: Path) -> None:
    data = {
        "images": [
            {"id": n, "file_name": "000.jpg", "license": lic}
            for n, lic in ((1, "7"), ("2", 7), (3.0, 7.0), (True, 7))
        ],
        "annotations": [
            {"image_id": "1", "caption": "one"},
            {"image_id": 2, "category_id": "5"},
            {"image_id": 3, "caption": "three"},
            "odd",
        ],
        "categories": [{"id": 5, "name": "dog"}, {"id": {}, "name": "cat"}, {"id": 6, "name": []}],
        "licenses": [{"id": 7, "name": "CC0"}, 7],
    }
    (tmp_path / "c.json").write_text(json.dumps(data))
    records, dropped = items(tmp_path / "c.json", CASES / "coco")
    assert [(r.captions, r.licence) for r in records] == [
        (("one",), "CC0"),
        (("dog",), "CC0"),
        (("three",), "CC0"),
    ]
    assert [d.name for d in dropped] == [
        "categories 1",
        "licenses 1",
        "annotations 3",
        "images 3: 000.jpg",
    ]


def test_captions_in_json_arrays(tmp_path: Path) -> None:
    files = {"0.png": PNG, "0.json": b'["a fox", "a red fox"]', "1.png": PNG,
             "1.txt": b'["an owl", "an\\u0020owl at night"]', "2.png": PNG,
             "2.json": b'{"caption": ["a cat", "a dog"], "url": "x", "status": "success"}',
             "3.png": PNG, "3.txt": b"[not an array", "4.png": PNG, "4.json": b'{"caption": ""}',
             "4.txt": b"from text", "5.png": PNG, "5.json": b'{"captions": ["a", 5]}'}  # fmt: skip
    records, dropped = items(tar(tmp_path / "a.tar", files))
    wanted = [("a fox", "a red fox"), ("an owl", "an owl at night"), ("a cat", "a dog"),
              ("[not an array",), ("from text",)]  # fmt: skip
    assert [r.captions for r in records] == wanted
    assert [d.reason for d in dropped] == ["caption is not text"]
    folder = tmp_path / "folder"
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    records, dropped = items(folder)
    assert [r.captions for r in records] == wanted and len(dropped) == 1
    (tmp_path / "t.csv").write_text('file,text\nfolder/0.png,"[""one"", ""two""]"\n')
    assert items(tmp_path / "t.csv")[0][0].captions == ("one", "two")


def test_text_that_cannot_be_written(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"image": "a.png", "caption": "half \ud83d"},
        {"image": "a.png", "caption": "with\0nul", "source": "a\0b"},
        {"image": "\ud83d.png", "caption": "one"},
        {"image": "a\0.png", "caption": "two"},
        {"image": 5, "caption": "three"},
        {"image": "a.png", "caption": "four", "licence": ["MIT"]},
    ]
    (tmp_path / "a.png").write_bytes(PNG)
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + "7\n")
    records, dropped = items(tmp_path / "t.jsonl")
    assert [(r.captions, r.source) for r in records] == [(("with nul",), "a?b")]
    assert [d.reason for d in dropped] == [
        "caption is not UTF-8", "missing file", "missing file", "bad row", "bad row", "bad row",
    ]  # fmt: skip
    assert "image" in dropped[3].detail and "licence" in dropped[4].detail
    (tmp_path / "t.csv").write_bytes(b"\xff\xfei\0m\0")
    with pytest.raises(UserError, match="has the columns"):
        list(read(tmp_path / "t.csv"))


# Any JSON value in any place of records that were good

WHOLE = " ".join(("never", "touched"))  # the caption of a row that stays good
ROW = {"image": "a.png", "captions": ["a fox", "a red fox"], "source": "me", "licence": "MIT",
       "cells": [["1F98A", "noto"]], "name": "fox"}  # fmt: skip
COCO = {
    "images": [{"id": 1, "file_name": "a.png", "license": 2}, {"id": "2", "file_name": "b\\a.png"}],
    "annotations": [{"image_id": 1, "caption": "a fox"}, {"image_id": 2, "category_id": 3}],
    "categories": [{"id": 3, "name": "dog"}],
    "licenses": [{"id": 2, "name": "MIT"}],
}
TEXT = st.text(st.characters(exclude_categories=()), max_size=6)
NAMES = ("a\0b", "..\\a.png", "../a.png", "/", "~", "\ud83d", "a.b.png", ".png", "a/")
ODD = st.sampled_from([*NAMES, "[[]]", '["a"]', "\r\n", '"', " ", "NaN", 10**400, -0.0])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT | ODD,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every (container, key) of a JSON value."""
    pairs = enumerate(value) if isinstance(value, list) else value.items()
    for key, inner in list(pairs):
        yield value, key
        if isinstance(inner, list | dict):
            yield from places(inner)


@st.composite
def mutated(draw: st.DrawFn, document: Any) -> Any:
    """The document with another value in one to three places."""
    document = deepcopy(document)
    for _ in range(draw(st.integers(1, 3))):
        found = list(places(document))
        if found:
            container, key = found[draw(st.integers(0, len(found) - 1))]
            container[key] = draw(JSON)
    return document


def write_coco(folder: Path, data: Any) -> Path:
    for key, row in (
        ("images", {"id": WHOLE, "file_name": "a.png"}),
        ("annotations", {"image_id": WHOLE, "caption": WHOLE}),
    ):
        if isinstance(data[key], list):
            data[key].append(row)
    (folder / "x.json").write_text(json.dumps(data))
    return folder / "x.json"


def write_lines(folder: Path, rows: Any) -> Path:
    rows = [*rows, {"image": "a.png", "caption": WHOLE}]
    (folder / "x.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder / "x.jsonl"


def write_csv(folder: Path, rows: Any) -> Path:
    cells = [[str(row.get(k)) for k in ("image", "captions", "source")] if isinstance(row, dict)
             else [str(row)] for row in rows]  # fmt: skip
    lines = ["image,captions,source", f"a.png,{WHOLE},", *map(",".join, cells)]
    (folder / "x.csv").write_bytes("\n".join(lines).encode("utf-8", "surrogatepass"))
    return folder / "x.csv"


def _samples(rows: Any) -> dict[str, bytes]:
    """Files of examples: each row as JSON, its name as the key, its source as text."""
    files = {}
    for number, row in enumerate(rows):
        key = str(row.get("name")) if isinstance(row, dict) else str(number)
        said = str(row.get("source")) if isinstance(row, dict) else ""
        files |= {f"{key}.png": PNG, f"{key}.json": json.dumps(row).encode()}
        files |= {f"{key}.txt": said.encode("utf-8", "surrogatepass")}
    return files


def write_shard(folder: Path, rows: Any) -> Path:
    named = {n.encode("utf-8", "replace").decode().replace("\0", "-")[:90]: data
             for n, data in _samples(rows).items()}  # fmt: skip
    return tar(folder / "x.tar", {"w.png": PNG, **named, "w.txt": WHOLE.encode()})


def write_sidecars(folder: Path, rows: Any) -> Path:
    for number, (name, data) in enumerate(_samples(rows).items()):
        (folder / f"{number // 3}{name[name.rindex('.') :]}").write_bytes(data)
    (folder / "w.png").write_bytes(PNG)
    (folder / "w.txt").write_text(WHOLE)
    return folder


Writer = Callable[[Path, Any], Path]
READERS: dict[str, tuple[Any, Writer]] = {
    "coco": (COCO, write_coco),
    "lines": ([ROW, ROW], write_lines),
    "csv": ([ROW, ROW], write_csv),
    "shard": ([ROW, ROW], write_shard),
    "sidecars": ([ROW, ROW], write_sidecars),
}


def check(write: Writer, document: Any) -> None:
    """Whatever a file says, there is an item or a UserError, and the good row is there."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if write is not write_sidecars:
            (folder / "a.png").write_bytes(PNG)
        try:
            found: list[Item] = list(read(write(folder, document)))
        except UserError as error:
            str(error).encode()
            assert write is write_coco
            return
        for item in found:
            text = [
                item.name,
                *(item.captions if isinstance(item, Record) else vars(item).values()),
            ]
            json.dumps(text, ensure_ascii=False).encode()
        lists = write is not write_coco or (
            isinstance(document["images"], list) and isinstance(document["annotations"], list)
        )
        whole = any(isinstance(i, Record) and WHOLE in i.captions for i in found)
        # an unclosed quote takes what follows it; the good row of a table stands first
        assert whole or not lists
        try:
            import_collection(iter(found), folder / "out", source="x", licence="y")
        except UserError as error:
            assert "nothing was kept" in str(error)


@pytest.mark.parametrize("reader", READERS)
def test_mutated_records(reader: str) -> None:
    document, write = READERS[reader]

    @settings(max_examples=100, deadline=None, derandomize=True, database=None)
    @given(mutated(document))
    def holds(data: Any) -> None:
        check(write, data)

    holds()


@pytest.mark.slow
@pytest.mark.parametrize("reader", READERS)
def test_ten_thousand_mutated_records(reader: str) -> None:
    document, write = READERS[reader]

    @settings(max_examples=2_000, deadline=None, database=None)
    @given(mutated(document))
    def holds(data: Any) -> None:
        check(write, data)

    holds()


@pytest.mark.parametrize("reader", READERS)
def test_files_with_broken_bytes(reader: str) -> None:
    document, write = READERS[reader]

    @settings(max_examples=100, deadline=None, derandomize=True, database=None)
    @given(st.floats(0, 1), st.binary(max_size=600), st.booleans())
    def holds(share: float, noise: bytes, cut: bool) -> None:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            source = write(folder, deepcopy(document))
            file = source if source.is_file() else folder / "0.json"
            data = file.read_bytes()
            at = int(share * len(data))
            file.write_bytes(data[:at] + noise + (b"" if cut else data[at + len(noise) :]))
            try:
                assert all(isinstance(item, Record | Dropped) for item in read(source))
            except UserError as error:
                str(error).encode()

    holds()
