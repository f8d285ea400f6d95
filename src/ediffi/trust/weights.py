"""Manifests in weights: a safetensors file says, signed, which model it is of and what taught it.

The manifest is base64 in the file's own `__metadata__`, under the name that C2PA 2.4 gives it. It
covers the file as it is without that entry, header and tensors, byte for byte.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ediffi.core.errors import UserError
from ediffi.model.folder import ModelFolder
from ediffi.trust.keys import Keys
from ediffi.trust.manifest import claim_of_model, context, signer
from ediffi.trust.reading import ManifestFound, read_manifest

ENTRY = "c2pa:manifest"
MIME = "application/octet-stream"  # the library knows no safetensors: it hashes all bytes


def sign_weights(data: bytes, keys: Keys, facts: Mapping[str, Any], title: str) -> bytes:
    """A safetensors file with a manifest, instead of the one it may have had.

    facts: JSON values, what the manifest tells of the model.

    Raises:
        UserError: no safetensors file, or it cannot be signed.
    """
    import c2pa

    plain, _ = _parted(data, title)
    try:
        claim = json.dumps(claim_of_model(facts, title))
        with c2pa.Builder(claim, context=context([keys.root])) as builder:
            builder.set_no_embed()
            store = builder.sign(signer(keys), MIME, io.BytesIO(plain), io.BytesIO())
    except c2pa.C2paError as error:
        raise UserError(f"{title} cannot be signed: {error}") from error
    header, tensors = _header(plain, title)
    entry = {ENTRY: base64.b64encode(store).decode()}
    header["__metadata__"] = header.get("__metadata__", {}) | entry
    return _joined(header, tensors)


def read_weights_manifest(data: bytes, title: str, anchors: Sequence[str] = ()) -> ManifestFound:
    """What the manifest of a safetensors file says, and whether it still holds.

    Raises:
        UserError: no safetensors file.
    """
    if ENTRY not in _header(data, title)[0].get("__metadata__", {}):
        return ManifestFound("absent")
    plain, store = _parted(data, title)
    try:
        manifest = base64.b64decode(store or "", validate=True)
    except (binascii.Error, TypeError, ValueError) as error:
        return ManifestFound("altered", (f"unreadable: {error}",))
    return read_manifest(plain, anchors, store=manifest)


def sign_model(path: Path, keys: Keys) -> str:
    """Sign the weights of a model's stages; returns the model's hash, which is a new one. Those of
    encoders in its folder stay as they are: configurations name them by their hash.

    Raises:
        UserError: no whole model folder, or it cannot be written; then it is as it was.
    """
    folder = ModelFolder(path)
    facts: dict[str, Any] = {
        "model": folder.config.name,
        "data": [source.model_dump() for source in folder.config.data],
        "images_seen": {stage.name: stage.images_seen for stage in folder.config.stages},
    }
    names = [name for stage in folder.config.stages for name in stage.files]
    return folder.update({n: sign_weights(folder.read(n), keys, facts, n) for n in names})


def model_manifests(folder: ModelFolder, anchors: Sequence[str] = ()) -> dict[str, ManifestFound]:
    """Those of the weights of a model's stages, by file."""
    names = [name for stage in folder.config.stages for name in stage.files]
    return {n: read_weights_manifest(folder.read(n), n, anchors) for n in names}


def _parted(data: bytes, title: str) -> tuple[bytes, str | None]:
    """The file without its manifest, and the manifest."""
    header, tensors = _header(data, title)
    metadata = dict(header.get("__metadata__", {}))
    store = metadata.pop(ENTRY, None)
    header.pop("__metadata__", None)
    if metadata:
        header["__metadata__"] = metadata
    return _joined(header, tensors), store


def _header(data: bytes, title: str) -> tuple[dict[str, Any], bytes]:
    try:
        length = struct.unpack("<Q", data[:8])[0]
        header = json.loads(data[8 : 8 + length])
        if not isinstance(header, dict) or not isinstance(header.get("__metadata__", {}), dict):
            raise ValueError("its header is no object")
    except (struct.error, ValueError, RecursionError) as error:
        raise UserError(f"{title} is no safetensors file: {error}") from error
    return header, data[8 + length :]


def _joined(header: Mapping[str, Any], tensors: bytes) -> bytes:
    """With the header in one fixed form, so that what is signed does not hang on who wrote it."""
    text = json.dumps(header, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)  # tensors start at a multiple of 8, as the format asks
    return struct.pack("<Q", len(text)) + text + tensors
