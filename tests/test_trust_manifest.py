"""Pictures are signed last, whatever is changed afterwards is seen, and ingredients keep their
marks."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ediffi.core.errors import UserError
from ediffi.output import encode_picture
from ediffi.trust.keys import Keys, create_keys
from ediffi.trust.manifest import Ingredient
from ediffi.trust.metadata import read_metadata
from ediffi.trust.provenance import Provenance
from ediffi.trust.reading import read_manifest

PARAMETERS = {
    "prompt": "a <red> fox & a 狐",
    "seed": 7,
    "model": "tiny",
    "model_hash": "ab" * 32,
    "regions": [{"phrase": "a red fox"}],
}
KINDS = ("PNG", "JPEG", "WEBP")


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return create_keys(tmp_path_factory.mktemp("signer"), "Studio Fuchs")


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    ramp = np.linspace(0, 255, 96, dtype=np.uint8)
    return np.stack([np.tile(ramp, (64, 1)), np.full((64, 96), 90, np.uint8)[:, ::-1]] * 2, -1)[
        ..., :3
    ]


def signed(pixels: np.ndarray, signer: Keys, kind: str = "PNG", **more: object) -> bytes:
    provenance = Provenance(signer)
    return encode_picture(pixels, kind, PARAMETERS, title="fox", provenance=provenance, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_signed_picture_says(pixels: np.ndarray, signer: Keys, kind: str) -> None:
    data = signed(pixels, signer, kind)
    found = read_manifest(data, [signer.root])
    assert (found.status, found.reasons, found.signer) == ("trusted", (), "Studio Fuchs")
    assert (found.model, found.model_hash) == ("tiny", "ab" * 32)
    assert found.source_type is not None and found.source_type.endswith("/trainedAlgorithmicMedia")
    assert found.settings == {n: PARAMETERS[n] for n in ("seed", "model", "model_hash")}
    assert found.made is not None and found.software is not None
    assert "fox" not in str(found.settings)  # neither the prompt nor its phrases
    told = read_metadata(data)
    assert told.parameters == PARAMETERS and told.source_type == found.source_type
    unsigned = encode_picture(pixels, kind, PARAMETERS)
    assert len(data) - len(unsigned) < 5_000
    shown = (np.asarray(Image.open(io.BytesIO(file))) for file in (data, unsigned))
    assert np.array_equal(*shown)


def test_the_prompt_is_signed_if_the_user_agrees(pixels: np.ndarray, signer: Keys) -> None:
    provenance = Provenance(signer, prompts=True)
    data = encode_picture(pixels, "PNG", PARAMETERS, provenance=provenance)
    assert read_manifest(data).settings == PARAMETERS


def test_strangers_see_that_it_is_whole_but_not_whose_it_is(
    pixels: np.ndarray, signer: Keys, tmp_path: Path
) -> None:
    other = create_keys(tmp_path, "Another")
    for anchors in ([], [other.root]):
        found = read_manifest(signed(pixels, signer), anchors)
        assert (found.status, found.reasons) == ("valid", ("signingCredential.untrusted",))


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def one_byte(data: bytes) -> bytes:
    place = data.index(b"IDAT") + 20
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


def one_letter_of_the_metadata(data: bytes) -> bytes:
    return data.replace(b"seed: 7", b"seed: 8")


def more_metadata(data: bytes) -> bytes:
    end = data.index(b"IEND") - 4
    return data[:end] + chunk(b"tEXt", b"Author\0somebody else") + data[end:]


def more_at_the_end(data: bytes) -> bytes:
    return data + b"more"


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def manifest_of_another(data: bytes) -> bytes:
    """The same manifest in a picture of another colour."""
    picture = Image.new("RGB", (96, 64), "navy")
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    plain, begin = buffer.getvalue(), data.index(b"caBX") - 4
    length = struct.unpack(">I", data[begin : begin + 4])[0] + 12
    return plain[:33] + data[begin : begin + length] + plain[33:]


def cropped_and_put_back(data: bytes) -> bytes:
    """Cropped by a program that copies the manifest."""
    buffer = io.BytesIO()
    Image.open(io.BytesIO(data)).crop((0, 0, 60, 60)).save(buffer, "PNG", pnginfo=PngInfo())
    plain, begin = buffer.getvalue(), data.index(b"caBX") - 4
    length = struct.unpack(">I", data[begin : begin + 4])[0] + 12
    return plain[:33] + data[begin : begin + length] + plain[33:]


@pytest.mark.parametrize(
    "change",
    [
        one_byte,
        one_letter_of_the_metadata,
        more_metadata,
        more_at_the_end,
        cut,
        manifest_of_another,
        cropped_and_put_back,
    ],
)
def test_changes_after_signing_are_seen(
    pixels: np.ndarray, signer: Keys, change: Callable[[bytes], bytes]
) -> None:
    data = signed(pixels, signer)
    changed = change(data)
    assert changed != data
    assert read_manifest(changed, [signer.root]).status == "altered"


@pytest.mark.parametrize("kind", KINDS)
def test_saving_anew_takes_the_manifest_away(pixels: np.ndarray, signer: Keys, kind: str) -> None:
    buffer = io.BytesIO()
    Image.open(io.BytesIO(signed(pixels, signer))).crop((0, 0, 40, 40)).save(buffer, kind)
    assert read_manifest(buffer.getvalue(), [signer.root]).status == "absent"


@pytest.mark.parametrize("kind", KINDS)
def test_every_byte_counts(pixels: np.ndarray, signer: Keys, kind: str) -> None:
    """Outside the manifest, where what is left of its room is padding that says nothing."""
    data = signed(pixels, signer, kind)
    unsigned = encode_picture(pixels, kind, PARAMETERS)
    for place in range(40, len(unsigned) - 40, 97):
        tail = unsigned[place : place + 24]
        if data.count(tail) != 1:
            continue  # zeros
        at = data.index(tail)
        changed = data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :]
        assert read_manifest(changed, [signer.root]).status in ("altered", "absent")


def test_ingredients_keep_their_marks(pixels: np.ndarray, signer: Keys, tmp_path: Path) -> None:
    reference = tmp_path / "reference.jpg"
    with pytest.raises(UserError, match=r"cannot read .*reference\.jpg"):
        Ingredient.read(reference)
    reference.write_bytes(signed(pixels, signer, "JPEG"))
    forged = signed(pixels, signer).replace(b"seed: 7", b"seed: 8")
    inputs = [
        Ingredient.read(reference),
        Ingredient(encode_picture(pixels, "PNG", {}), "map.png"),
        Ingredient(forged, "forged.png"),
    ]
    data = signed(pixels, signer, ingredients=inputs)
    found = read_manifest(data, [signer.root])
    assert found.status == "trusted"
    assert [(i.title, i.relation, i.status) for i in found.ingredients] == [
        ("reference.jpg", "inputTo", "trusted"),
        ("map.png", "inputTo", "absent"),
        ("forged.png", "inputTo", "altered"),
    ]


def test_an_enlarged_picture_is_an_edit(pixels: np.ndarray, signer: Keys) -> None:
    start = Ingredient(signed(pixels, signer), "draft.png", "parentOf")
    data = signed(pixels, signer, "WEBP", ingredients=[start])
    found = read_manifest(data, [signer.root])
    assert found.status == "trusted" and found.source_type is not None
    assert found.source_type.endswith("/compositeWithTrainedAlgorithmicMedia")
    assert read_metadata(data).source_type == found.source_type
    assert [(i.relation, i.status) for i in found.ingredients] == [("parentOf", "trusted")]


@pytest.mark.parametrize("kind", ["BMP", "TIFF", "GIF"])
def test_ingredients_of_other_formats(pixels: np.ndarray, signer: Keys, kind: str) -> None:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    data = signed(pixels, signer, ingredients=[Ingredient(buffer.getvalue(), "other")])
    found = read_manifest(data, [signer.root])
    assert found.status == "trusted"
    assert [(i.title, i.status) for i in found.ingredients] == [("other", "absent")]
