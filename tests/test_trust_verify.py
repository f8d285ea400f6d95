"""What is found in files of all kinds: of damaged and hostile ones a verdict or one clear error."""

from __future__ import annotations

import io
import os
import random
import struct
import time
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ediffi.core.errors import UserError
from ediffi.output import encode_picture
from ediffi.trust.keys import Keys, load_keys
from ediffi.trust.provenance import Provenance
from ediffi.trust.verify import trusted_roots, verify

PARAMETERS = {"prompt": "a fox", "seed": 7, "model": "tiny", "model_hash": "ab" * 32}


@pytest.fixture(scope="module")
def signer(keys: Path) -> Keys:
    found = load_keys(keys)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def files(signer: Keys) -> dict[str, bytes]:
    pixels = np.random.default_rng(0).integers(0, 256, (48, 48, 3), np.uint8)
    provenance = Provenance(signer)
    kinds = ("PNG", "JPEG", "WEBP")
    return {k: encode_picture(pixels, k, PARAMETERS, provenance=provenance) for k in kinds}


def test_what_the_verdict_rests_on(files: dict[str, bytes], signer: Keys, tmp_path: Path) -> None:
    picture = Image.open(io.BytesIO(files["PNG"]))
    picture.save(tmp_path / "unknown.png")
    unsigned = encode_picture(np.asarray(picture), "WEBP", PARAMETERS)
    (tmp_path / "told.webp").write_bytes(unsigned)
    (tmp_path / "trusted.png").write_bytes(files["PNG"])
    (tmp_path / "altered.png").write_bytes(files["PNG"] + b"!")
    cases = {
        "trusted.png": ("trusted", "manifest"),
        "altered.png": ("altered", "manifest"),
        "told.webp": ("told", "metadata"),
        "unknown.png": ("unknown", None),
    }
    for name, (verdict, rests_on) in cases.items():
        found = verify(tmp_path / name, [signer.root])
        assert (found.verdict, found.rests_on) == (verdict, rests_on)
        assert found.described()["verdict"] == verdict
    stranger = verify(tmp_path / "trusted.png", [])
    assert (stranger.verdict, stranger.rests_on) == ("valid", "manifest")
    assert stranger.metadata.parameters == PARAMETERS


def test_whose_word_counts(signer: Keys, tmp_path: Path) -> None:
    assert trusted_roots() == [signer.root]
    (tmp_path / "friend.pem").write_text(signer.root)
    (tmp_path / "letter.pem").write_text("dear friend")
    assert trusted_roots([tmp_path / "friend.pem"]) == [signer.root] * 2
    for name in ("letter.pem", "none.pem"):
        with pytest.raises(UserError, match=name):
            trusted_roots([tmp_path / name])


def damaged(data: bytes, rng: random.Random) -> bytes:
    """One of six kinds of damage."""
    out, how = bytearray(data), rng.randrange(6)
    if how == 0:
        return data[: rng.randrange(len(data))]
    if how == 1:
        for _ in range(rng.randint(1, 4)):
            out[rng.randrange(len(out))] ^= 1 << rng.randrange(8)
    if how == 2:
        place = rng.randrange(len(out))
        out[place : place + rng.randint(1, 200)] = rng.randbytes(rng.randint(0, 200))
    if how == 3:
        start, end = sorted(rng.sample(range(len(out)), 2))
        out[start:start] = out[start:end]
    if how == 4:
        place = rng.randrange(len(out) - 4)
        out[place : place + 4] = rng.choice((b"\xff" * 4, b"\x7f\xff\xff\xff", b"\0" * 4))
    if how == 5:
        begin = out.find(b"jumb")
        for _ in range(rng.randint(1, 3)):
            out[begin + rng.randrange(3000)] = rng.randrange(256)
    return bytes(out)


def test_a_thousand_damaged_files(files: dict[str, bytes], signer: Keys, tmp_path: Path) -> None:
    """Each ends in a verdict or a clear error, soon; none in a crash."""
    rng, seen = random.Random(0), Counter[str]()
    path, slowest = tmp_path / "damaged", 0.0
    for number in range(1_000):
        data = files[("PNG", "JPEG", "WEBP")[number % 3]]
        path.write_bytes(damaged(data, rng))
        start = time.process_time()
        try:
            seen[verify(path, [signer.root]).verdict] += 1
        except UserError as error:
            assert str(path) in str(error)
            seen["error"] += 1
        slowest = max(slowest, time.process_time() - start)
    assert seen["altered"] > 800
    # bytes of the manifest's own padding may change: nothing is said there
    assert seen["trusted"] < 50 and set(seen) <= {"altered", "trusted", "error", "told", "unknown"}
    assert slowest < 5


def png(width: int, height: int, body: bytes, *before: tuple[bytes, bytes]) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + crc

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", head), *before, (b"IDAT", body), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*each) for each in chunks)


BOMB = zlib.compress(bytes(200_000_000), 9)
HOSTILE = {
    "empty": b"",
    "text": b"these are words",
    "a million pixels square": png(1_000_000, 1_000_000, b""),
    "zeros without end": png(16, 16, BOMB),
    "text without end": png(16, 16, zlib.compress(bytes(1000)), (b"zTXt", b"a\0\0" + BOMB)),
    "packet without end": png(
        16, 16, zlib.compress(bytes(1000)), (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + BOMB)
    ),
    "deep settings": png(
        16, 16, zlib.compress(bytes(1000)), (b"iTXt", b"ediffi\0\0\0\0\0" + b"[" * 500_000)
    ),
    "only a manifest": b"\xff\xd8\xff\xeb\x00\x20JP\x00\x01" + bytes(40),
    "a list of itself": b"RIFF\xff\xff\xff\xffWEBPVP8X" + bytes(64),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files(signer: Keys, tmp_path: Path, name: str) -> None:
    path = tmp_path / "hostile.png"
    path.write_bytes(HOSTILE[name])
    start = time.process_time()
    try:
        assert verify(path, [signer.root]).verdict in ("unknown", "altered")
    except UserError as error:
        assert "hostile.png" in str(error)
    assert time.process_time() - start < 5


def test_what_is_no_file(signer: Keys, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "huge").touch()
    os.truncate(tmp_path / "huge", 10**12)
    for name, complaint in (
        ("pipe", "no ordinary file"),
        ("huge", "larger than 200 MB"),
        ("none", "cannot read"),
        ("a\0b", "cannot read"),
        ("", "no ordinary file"),
    ):
        with pytest.raises(UserError, match=complaint):
            verify(tmp_path / name, [signer.root])
