"""What a mark says, as 128 bits that all look random: payload, check and Reed-Solomon code.

    nonce (2 bytes)  |  (model (3 bytes) | check (3 bytes)) XOR pad(key, nonce)  |  parity (8 bytes)

The nonce comes of the picture, so two pictures of one model share no bits that averaging many of
them would bring out. Of the 8 bytes of parity, 2e + s <= 8 may be spent on e wrong bytes and s
bytes that the reader trusts least (generalised minimum distance, Forney 1966).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NUM_BITS = 128
NONCE, MODEL, CHECK, PARITY = 2, 3, 3, 8  # bytes
TRIES = (0, 2, 4, 6, 8)  # bytes that are taken as lost


@dataclass(frozen=True)
class Payload:
    """model: the first 6 hex digits of the model's hash; nonce: 4 hex digits of the picture's."""

    model: str
    nonce: str

    @property
    def text(self) -> str:
        return f"{self.nonce}-{self.model}"


def payload_of(model_hash: str, pixels: NDArray[np.uint8]) -> Payload:
    """model_hash: in hex, or empty; pixels: (H, W, 3), before they are marked."""
    nonce = hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()
    return Payload(model_hash[: 2 * MODEL].ljust(2 * MODEL, "0"), nonce[: 2 * NONCE])


def encode(payload: Payload, key: bytes) -> NDArray[np.int8]:
    """(128,) of -1 and 1."""
    import reedsolo

    nonce, model = bytes.fromhex(payload.nonce), bytes.fromhex(payload.model)
    hidden = _xor(model + _mac(key, nonce + model), _pad(key, nonce))
    word = reedsolo.RSCodec(PARITY).encode(nonce + hidden)
    bits = np.unpackbits(np.frombuffer(bytes(word), np.uint8))
    return (2 * bits.astype(np.int8) - 1).astype(np.int8)


def decode(soft: NDArray[np.floating], key: bytes) -> Payload | None:
    """The payload of (128,) values whose sign is the bit and whose size is its certainty.

    None where there is no such code word, or none that was made with this key: of random bits
    about one in 3 million passes the check of 24 bits in one of the five tries.
    """
    import reedsolo

    word = np.packbits(soft > 0).tobytes()
    doubtful = np.argsort(np.abs(soft).reshape(-1, 8).min(1)).tolist()
    for lost in TRIES:
        try:
            found = _read(reedsolo.RSCodec(PARITY), word, doubtful[:lost], key)
        except reedsolo.ReedSolomonError:
            continue
        if found is not None:
            return found
    return None


def _read(codec: object, word: bytes, lost: Sequence[int], key: bytes) -> Payload | None:
    data = bytes(codec.decode(word, erase_pos=list(lost))[0])  # type: ignore[attr-defined]
    nonce = data[:NONCE]
    shown = _xor(data[NONCE:], _pad(key, nonce))
    model, check = shown[:MODEL], shown[MODEL:]
    if not hmac.compare_digest(check, _mac(key, nonce + model)):
        return None
    return Payload(model.hex(), nonce.hex())


def _mac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, b"check" + message, "sha256")[:CHECK]


def _pad(key: bytes, nonce: bytes) -> bytes:
    return hmac.digest(key, b"pad" + nonce, "sha256")[: MODEL + CHECK]


def _xor(a: bytes, b: bytes) -> bytes:
    return bytes(x ^ y for x, y in zip(a, b, strict=True))
