"""Importing collections: every shape, ten broken inputs, filters; nothing lost without a word."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from helpers.collections import good, kept, picture, png, run, tar
from PIL import Image, ImageFilter

from ediffi.cli.main import main
from ediffi.core.errors import UserError
from ediffi.data.filters import ClipScore, Filters
from ediffi.data.importing import Report
from ediffi.data.readers import Record, read
from ediffi.data.shard_set import ShardSet


def test_ten_broken_inputs(tmp_path: Path) -> None:
    """Each is made like the others, or named, counted and skipped; no good one is lost."""
    folder = tmp_path / "mine"
    for number in range(3):
        good(folder, number)

    def say(name: str, text: str = "something") -> Path:
        (folder / name).with_suffix(".txt").write_text(text)
        return folder / name

    whole = good(tmp_path, 10).read_bytes()
    say("truncated.png").write_bytes(whole[: len(whole) // 2])
    picture(11).convert("CMYK").save(say("cmyk.jpg"))
    ramp = (np.arange(80 * 80, dtype=np.uint32) * 65535 // 6399).astype(np.uint16).reshape(80, 80)
    Image.fromarray(ramp).save(say("deep.png"))
    frames = [picture(n) for n in (12, 13, 14)]
    frames[0].save(say("moving.gif"), save_all=True, append_images=frames[1:])
    say("nothing.png").write_bytes(b"")
    say("notes.jpg").write_text("these are words")
    picture(15).save(say("latin.png"))
    (folder / "latin.txt").write_bytes("Füchse".encode("latin-1"))
    (say("gone.png")).symlink_to(folder / "nowhere.png")
    Image.new("1", (20_000, 20_000)).save(say("bomb.png"))
    (say("escape.png")).symlink_to(tmp_path / "good-10.png")
    (folder / "away").symlink_to(tmp_path)
    (folder / ".DS_Store").write_bytes(b"passed over")

    report, dropped = run(folder, tmp_path / "out")
    assert {name: row["reason"] for name, row in dropped.items()} == {
        "truncated.png": "damaged",
        "nothing.png": "empty",
        "notes.jpg": "not a picture",
        "latin.png": "caption is not UTF-8",
        "gone.png": "missing file",
        "bomb.png": "too large",
        "escape.png": "outside the folder",
        "away": "outside the folder",
    }
    names = {"good-0.png", "good-1.png", "good-2.png", "cmyk.jpg", "deep.png", "moving.gif"}
    assert kept(tmp_path / "out").keys() == names
    assert report.changed == {
        "CMYK made RGB": 1,
        "16 bits made 8": 1,
        "first frame of an animation": 1,
    }
    shards = ShardSet(tmp_path / "out")
    drawn = {shards.stored(i)[0].name: shards.pixels(i, 80) for i in range(len(shards))}
    assert np.abs(drawn["deep.png"][..., 0].astype(int) - ramp // 256).max() <= 1
    assert (
        np.abs(drawn["moving.gif"].astype(int) - np.asarray(picture(12))).mean() < 10
    )  # a palette
    assert np.abs(drawn["cmyk.jpg"].astype(int) - np.asarray(picture(11))).mean() < 12
    assert np.array_equal(drawn["good-1.png"], np.asarray(picture(1)))


def test_turned_and_transparent_pictures_are_made_like_the_others(tmp_path: Path) -> None:
    turned = good(tmp_path / "mine", 1, suffix="jpg")
    exif = Image.Exif()
    exif[274] = 6
    picture(1, (90, 70)).save(turned, exif=exif)
    clear = picture(2).convert("RGBA")
    clear.putalpha(0)
    clear.save(good(tmp_path / "mine", 2))
    report, _ = run(tmp_path / "mine", tmp_path / "out")
    assert report.changed == {"turned upright": 1, "transparency laid on white": 1}
    shards = ShardSet(tmp_path / "out")
    sizes = {shards.stored(i)[0].name: shards.stored(i)[1].size for i in range(2)}
    assert sizes == {"good-1.jpg": (70, 90), "good-2.png": (80, 80)}
    white = next(i for i in range(2) if shards.stored(i)[0].name == "good-2.png")
    assert (shards.pixels(white, 64) == 255).all()


def test_captions_of_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    good(folder, 1, "\ufeffa fox\n\n  the   same fox  \na fox\n")
    good(folder / "below", 2, "一只狐狸")
    good(folder, 3).with_suffix(".txt").write_text(" \n")
    good(folder, 4).with_suffix(".txt").unlink()
    (folder / "lonely.txt").write_text("no picture of this")
    (folder / "long.txt").write_text("x" * 300_000)
    picture(5).save(folder / "long.png")
    _, dropped = run(folder, tmp_path / "out")
    assert {name: row["reason"] for name, row in dropped.items()} == {
        "good-3.png": "no caption",
        "good-4.png": "no caption",
        "lonely.txt": "no picture",
        "long.png": "caption too long",
    }
    records = kept(tmp_path / "out")
    assert records["good-1.png"].captions == ("a fox", "the same fox")
    assert records["below/good-2.png"].captions == ("一只狐狸",)
    assert records["good-1.png"].source == "test" and records["good-1.png"].licence == "CC0"


def test_tables(tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    for number in range(4):
        good(pictures, number)
    secret = good(tmp_path, 9)
    table = tmp_path / "table.csv"
    table.write_bytes(
        b'File_Name,Caption,license\ngood-0.png,"a fox,\nin two lines",MIT\ngood-1.png,F\xfcchse,\n'
        b"good-7.png,not there,\n../good-9.png,a secret,\n,no name,\ngood-2.png,fine,\n"
        + str(secret).encode() + b",a secret,\n"
    )  # fmt: skip
    _, dropped = run(table, tmp_path / "csv", images=pictures)
    assert sorted(row["reason"] for row in dropped.values()) == [
        "bad row", "caption is not UTF-8", "missing file", "outside the folder",
        "outside the folder",
    ]  # fmt: skip
    captions = {r.captions: r.licence for r in kept(tmp_path / "csv").values()}
    assert captions == {("a fox, in two lines",): "MIT", ("fine",): "CC0"}

    rows = [
        {"image": "good-0.png", "captions": ["one", "two"]},
        {"image": "good-1.png", "text": 7},
        ["no object"],
        {"image": "good-3.png", "text": "three", "source": "me"},
    ]
    lines = tmp_path / "table.jsonl"
    lines.write_text("{broken\n" + "".join(json.dumps(row) + "\n" for row in rows))
    _, dropped = run(lines, tmp_path / "jsonl", images=pictures)
    reasons = [row["reason"] for row in dropped.values()]
    assert reasons == ["bad row", "caption is not text", "bad row"]
    sources = {r.captions: r.source for r in kept(tmp_path / "jsonl").values()}
    assert sources == {("one", "two"): "test", ("three",): "me"}

    (tmp_path / "bad.csv").write_text("a,b\n1,2\n")
    with pytest.raises(UserError, match=r"bad\.csv has the columns a, b: one of image"):
        list(read(tmp_path / "bad.csv"))


def test_coco(tmp_path: Path) -> None:
    for number in range(4):
        good(tmp_path, number)
    data = {
        "images": [{"id": n, "file_name": f"good-{n}.png", "license": 1} for n in range(5)],
        "annotations": [
            {"image_id": 0, "caption": "a fox"},
            {"image_id": 0, "caption": "a fox in the snow"},
            {"image_id": 1, "category_id": 3},
            {"image_id": 1, "category_id": 4},
            {"image_id": 1, "category_id": 3},
            {"image_id": 4, "caption": "not there"},
            {"image_id": 3, "caption": ""},
        ],
        "categories": [{"id": 3, "name": "dog"}, {"id": 4, "name": "frisbee"}],
        "licenses": [{"id": 1, "name": "CC-BY-2.0"}],
    }
    (tmp_path / "coco.json").write_text(json.dumps(data))
    _, dropped = run(tmp_path / "coco.json", tmp_path / "out")
    records = kept(tmp_path / "out")
    assert records["good-0.png"].captions == ("a fox", "a fox in the snow")
    assert records["good-1.png"].captions == ("dog, frisbee",)
    assert records["good-1.png"].licence == "CC-BY-2.0"
    reasons = {name: row["reason"] for name, row in dropped.items()}
    assert reasons == {
        "good-2.png": "no caption",
        "good-3.png": "no caption",
        "good-4.png": "missing file",
    }
    (tmp_path / "other.json").write_text("[]")
    with pytest.raises(UserError, match="is not a COCO file"):
        list(read(tmp_path / "other.json"))


def test_webdataset_shards_whole_and_cut(tmp_path: Path) -> None:
    files = {}
    for number in range(6):
        files |= {f"d/{number:03d}.png": png(number), f"d/{number:03d}.txt": b"one\ntwo"}
    files |= {"d/1.json": json.dumps({"caption": "from json", "license": "MIT"}).encode()}
    files |= {"d/1.png": png(20), "d/2.txt": b"words alone", "d/3.png": png(21)}
    source = tmp_path / "shards"
    source.mkdir()
    tar(source / "0.tar", files)
    whole = (source / "0.tar").read_bytes()
    (source / "1.tar").write_bytes(whole[: len(whole) * 2 // 5])  # ends inside an example
    header = whole.index(b"d/001.txt")
    (source / "2.tar").write_bytes(whole[:header] + b"\xff" * 512 + whole[header + 512 :])
    _, dropped = run(source, tmp_path / "out", filters=Filters(duplicates="keep"))
    reasons = {name: row["reason"] for name, row in dropped.items()}
    assert reasons["0.tar:d/2"] == "no picture" and reasons["0.tar:d/3"] == "no caption"
    assert reasons["1.tar"] == reasons["2.tar"] == "damaged shard"
    assert {"0.tar:d/005", "1.tar:d/000", "2.tar:d/000"} <= kept(tmp_path / "out").keys()
    assert kept(tmp_path / "out")["0.tar:d/1"].licence == "MIT"
    assert kept(tmp_path / "out")["0.tar:d/000"].captions == ("one", "two")


def test_shapes_and_sizes(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    for number, size in enumerate([(63, 300), (64, 192), (64, 193), (600, 400)]):
        picture(number, size).save(good(folder, number))
    report, dropped = run(folder, tmp_path / "out", max_size=128)
    reasons = {name: row["reason"] for name, row in dropped.items()}
    assert reasons == {"good-0.png": "too small", "good-2.png": "too long"}
    assert "63x300" in dropped["good-0.png"]["detail"]
    shards = ShardSet(tmp_path / "out")
    assert sorted(shards.stored(i)[1].size for i in range(2)) == [(64, 192), (192, 128)]
    assert report.changed == {"shrunk to 128 px": 1}


def test_duplicates(tmp_path: Path) -> None:
    """The same file, and the same picture resized, recompressed or brightened a little; but not
    flat pictures of different colours, nor the same shape in another colour."""
    folder = tmp_path / "mine"
    original = good(folder, 0)
    (folder / "copy.png").write_bytes(original.read_bytes())
    with Image.open(original) as opened:
        opened.resize((200, 200), Image.Resampling.BICUBIC).save(folder / "large.png")
        opened.save(folder / "worse.jpg", quality=40)
        opened.filter(ImageFilter.GaussianBlur(1)).save(folder / "soft.png")
        opened.convert("L").save(folder / "grey.png")
        opened.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(folder / "mirrored.png")
    for colour in ("red", "blue", "white"):
        Image.new("RGB", (80, 80), colour).save(folder / f"{colour}.png")
    for path in folder.glob("*.*"):
        path.with_suffix(".txt").write_text("a picture")
    os.rename(original, folder / "a.png")
    os.rename(original.with_suffix(".txt"), folder / "a.txt")
    _, dropped = run(folder, tmp_path / "near")
    assert {name: row["reason"] for name, row in dropped.items()} == {
        "copy.png": "duplicate file",
        "large.png": "duplicate picture",
        "worse.jpg": "duplicate picture",
        "soft.png": "duplicate picture",
    }
    assert dropped["large.png"]["detail"] == "looks like a.png"
    _, dropped = run(folder, tmp_path / "exact", filters=Filters(duplicates="exact"))
    assert dropped.keys() == {"copy.png"}
    report, _ = run(folder, tmp_path / "all", filters=Filters(duplicates="keep"))
    assert report.kept == 10


def test_clip_score_drops_captions_that_do_not_fit(tmp_path: Path, clip_folder: Path) -> None:
    folder = tmp_path / "mine"
    for number, caption in enumerate(["a red fox", "blue rocket", "the cat tree", "a light"]):
        good(folder, number, caption)
    clip = ClipScore(clip_folder)
    items = [item for item in read(folder) if isinstance(item, Record)]
    scores = {i.name: clip.best(Image.open(i.picture), i.captions) for i in items}  # type: ignore[arg-type]
    limit = sorted(scores.values())[2] - 1e-4
    options = {"filters": Filters(min_score=limit), "clip": clip}
    _, dropped = run(folder, tmp_path / "out", **options)
    low = {name for name, score in scores.items() if score < limit}
    assert len(low) == 2 and dropped.keys() == low
    assert {row["reason"] for row in dropped.values()} == {"captions do not fit"}
    assert main(["data", "import", str(folder), "-o", str(tmp_path / "x"), "--min-score", "1"]) == 2


def test_command_and_its_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, out = tmp_path / "mine", tmp_path / "out"
    for number in range(3):
        good(folder, number)
    (folder / "good-1.png").write_bytes(b"")
    command = ["data", "import", str(folder), "-o", str(out)]
    assert main([*command, "--licence", "CC-BY-4.0", "--shard-size", "1"]) == 0
    said = capsys.readouterr().out
    assert "dropped: empty" in said and "dropped.jsonl" in said and "not stated" not in said
    report = json.loads((out / "report.json").read_text())
    assert report["kept"] == 2 and report["dropped"] == {"empty": 1}
    manifest = json.loads((out / "shards.json").read_text())
    assert [s["file"] for s in manifest["shards"]] == ["000000.tar", "000001.tar"]
    assert manifest["sources"] == [{"source": "mine", "licence": "CC-BY-4.0", "pictures": 2}]
    before = {path: path.read_bytes() for path in out.iterdir()}
    assert main(command) == 2  # what is there stays
    assert "is there already" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in out.iterdir()} == before
    assert main(["data", "import", str(tmp_path / "nowhere"), "-o", str(tmp_path / "x")]) == 2
    (tmp_path / "empty").mkdir()
    assert main(["data", "import", str(tmp_path / "empty"), "-o", str(tmp_path / "x")]) == 2
    assert "nothing was kept" in capsys.readouterr().err
    assert not (tmp_path / "x").exists() and not list(tmp_path.glob(".*"))


def test_the_same_collection_gives_the_same_bytes(tmp_path: Path) -> None:
    for number in range(3):
        good(tmp_path / "mine", number)
    for name in ("one", "two"):
        run(tmp_path / "mine", tmp_path / name)
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert files == ["000000.tar", "dropped.jsonl", "report.json", "shards.json"]
    for name in files:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_an_interrupted_import_leaves_nothing(tmp_path: Path) -> None:
    for number in range(3):
        good(tmp_path / "mine", number)

    def stop(report: Report) -> None:
        if report.found == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "mine", tmp_path / "out", on_item=stop)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
