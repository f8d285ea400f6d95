"""The mark in the pixels: what it says, what it outlives, and that nobody finds one where none
is."""

from __future__ import annotations

import io
from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from ediffi.core.errors import UserError
from ediffi.output import encode_picture
from ediffi.trust.keys import create_keys
from ediffi.trust.provenance import Provenance
from ediffi.trust.reading import read_manifest
from ediffi.trust.verify import verify
from ediffi.trust.watermark.carriers import Carriers
from ediffi.trust.watermark.code import NUM_BITS, Payload, decode, encode, payload_of
from ediffi.trust.watermark.mark import Watermark, shipped_watermark
from ediffi.trust.watermark.transformations import TRANSFORMATIONS

PAYLOAD, KEY = Payload("bb3dc6", "12ab"), b"a key"


@pytest.fixture(scope="module")
def watermark() -> Watermark:
    found = shipped_watermark()
    assert found is not None
    return found


def drawing(seed: int) -> np.ndarray:
    """A flat picture of 512 pixels: shapes of one colour on one colour."""
    rng = Random(seed)
    picture = Image.new("RGB", (512, 512), tuple(rng.randrange(40, 240) for _ in range(3)))
    draw = ImageDraw.Draw(picture)
    for _ in range(6):
        x, y, size = (rng.randrange(40, 400) for _ in range(3))
        colour = tuple(rng.randrange(256) for _ in range(3))
        draw.ellipse((x, y, x + size // 2, y + size // 2), fill=colour)
    return np.asarray(picture)


def test_what_the_bits_say() -> None:
    word = encode(PAYLOAD, KEY)
    assert word.shape == (NUM_BITS,) and set(word.tolist()) == {-1, 1}
    soft = word * np.linspace(1, 2, NUM_BITS)
    assert decode(soft, KEY) == PAYLOAD
    assert decode(soft, b"another key") is None
    hurt = soft.copy()
    hurt[:32] = -0.01 * hurt[:32]  # four bytes are wrong, and doubtful
    assert decode(hurt, KEY) == PAYLOAD
    hurt[64:96] *= -1  # and four more, of which nobody knows
    assert decode(hurt, KEY) is None


def test_random_bits_say_nothing() -> None:
    rng = np.random.default_rng(0)
    assert all(decode(rng.normal(size=NUM_BITS), KEY) is None for _ in range(200))


def test_pictures_of_one_model_share_no_bits() -> None:
    words = [encode(payload_of("bb3dc6", drawing(seed)), KEY) for seed in range(24)]
    assert np.abs(np.mean(words, 0)).max() < 0.9
    assert payload_of("bb3dc6", drawing(1)) == payload_of("bb3dc6", drawing(1))


def test_carriers_are_of_a_key() -> None:
    one, other = Carriers(b"one"), Carriers(b"other")
    word = encode(PAYLOAD, KEY)
    chips = one.spread(torch.from_numpy(word))
    assert torch.equal(one.despread(chips).sign(), torch.from_numpy(word).float())
    assert float(other.despread(chips).abs().mean()) < 2 < float(one.despread(chips).abs().mean())


@pytest.mark.parametrize(
    "change",
    ["JPEG 70", "WebP 80", "half size", "90 % crop", "half size, JPEG 70, 90 % crop", "mirrored"],
)
def test_what_the_mark_outlives(watermark: Watermark, change: str) -> None:
    pixels = drawing(3).repeat(2, 0).repeat(2, 1)  # 1024 pixels, as pictures are drawn
    marked = watermark.embed(pixels, PAYLOAD)
    error = np.square(marked.astype(float) - pixels).mean()
    assert 10 * np.log10(255**2 / error) > 40
    again = TRANSFORMATIONS[change](Image.fromarray(marked), Random(0))
    found = watermark.find(np.asarray(again), thorough=False)
    assert found is not None and found.payload == PAYLOAD
    assert found.mirrored == (change == "mirrored") and found.chance < 1e-4


def test_no_mark_is_found_where_none_is(watermark: Watermark) -> None:
    assert all(watermark.find(drawing(seed), thorough=False) is None for seed in range(3))
    marked = watermark.embed(drawing(1), PAYLOAD)
    assert watermark.find(marked, KEY, thorough=False) is None  # another key's
    flat = np.full((300, 200, 3), 255, np.uint8)
    assert watermark.find(flat, thorough=False) is None


def test_mark_metadata_signature_in_this_order(watermark: Watermark, tmp_path: Path) -> None:
    keys = create_keys(tmp_path / "keys", "me")
    pixels, parameters = drawing(5), {"model": "tiny", "model_hash": "abcdef" + "0" * 58}
    provenance = Provenance(keys, watermark=watermark)
    data = encode_picture(pixels, "PNG", parameters, provenance=provenance)
    path = tmp_path / "p.png"
    path.write_bytes(data)
    found = verify(path, [keys.root], thorough=False)
    assert found.verdict == "trusted"  # signed after pixels and metadata were what they are
    assert found.watermark is not None and found.manifest is not None
    assert found.watermark.payload == payload_of("abcdef", pixels)
    assert found.manifest.watermark == found.watermark.payload.text
    # what a program leaves that deletes metadata
    Image.open(io.BytesIO(data)).save(path, "WEBP", quality=85)
    found = verify(path, [keys.root], thorough=False)
    assert (found.verdict, found.rests_on) == ("marked", "watermark")
    assert found.described()["watermark"]["model"] == "abcdef"
    assert read_manifest(path.read_bytes()).status == "absent"


def test_drafts_are_not_marked(watermark: Watermark) -> None:
    small = drawing(1)[:64, :64]
    data = encode_picture(small, "PNG", {}, provenance=Provenance(watermark=watermark))
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(data))), small)


def test_weights(watermark: Watermark, tmp_path: Path) -> None:
    watermark.save(tmp_path / "w.safetensors", width=32)
    again = Watermark.load(tmp_path / "w.safetensors")
    assert np.array_equal(again.embed(drawing(1), PAYLOAD), watermark.embed(drawing(1), PAYLOAD))
    (tmp_path / "bad.safetensors").write_bytes(b"none")
    with pytest.raises(UserError, match="holds no watermark's weights"):
        Watermark.load(tmp_path / "bad.safetensors")
