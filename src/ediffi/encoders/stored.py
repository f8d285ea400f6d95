"""Embeddings kept in files, so that training need not run (or even have) the encoder.

ROLE-000003.safetensors holds what the encoder of a role says about one block of keys (captions, or
the names of pictures for `clip_image`), only of real tokens, in half precision:

    states (T, D) float16   the token states of all keys, end to end
    starts (N + 1,) int64   where each key's tokens begin
    pooled (N, D) float16
    keys (N,) int64         first 8 bytes of sha256 of each key

Its header says which encoder that was and which block of how many this is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from tokenizers import Tokenizer
from torch import Tensor

from ediffi.core.errors import UserError
from ediffi.core.files import write_atomically
from ediffi.core.types import ROLES, Tokens
from ediffi.encoders.cache import Halves, pad
from ediffi.encoders.spec import EncoderSpec, resolve
from ediffi.encoders.text import check_prompt, readable
from ediffi.encoders.tokens import cut, read_tokenizer

FORMAT = "1"
HEADER = "embeddings"  # the entry of a file's metadata that all facts are in, as JSON
DTYPE = "float16"


def block_path(folder: Path, role: str, block: int) -> Path:
    return folder / f"{role}-{block:06d}.safetensors"


def header(role: str, spec: EncoderSpec, block: int, num_blocks: int, data: str) -> dict[str, str]:
    """What a block's file says of itself. spec: with the hash of its weights; data: what the keys
    were taken from."""
    return {
        "format": FORMAT,
        "role": role,
        "encoder": spec.model_dump_json(),
        "dtype": DTYPE,
        "block": str(block),
        "num_blocks": str(num_blocks),
        "data": data,
    }


def write_block(path: Path, rows: Mapping[str, Halves], facts: dict[str, str]) -> None:
    """Write one block, whole or not at all.

    Raises:
        UserError: the disk refuses.
    """
    lengths = torch.tensor([0, *(len(states) for states, _ in rows.values())])
    tensors = {
        "states": torch.cat([states for states, _ in rows.values()]),
        "starts": lengths.cumsum(0),
        "pooled": torch.stack([pooled for _, pooled in rows.values()]),
        "keys": torch.from_numpy(hashed(rows)),
    }
    if not all(torch.isfinite(tensors[name]).all() for name in ("states", "pooled")):
        raise UserError("this encoder's numbers do not fit half precision")
    # one entry: the library writes several in any order, and the same embeddings are the same bytes
    write_atomically(path, save(tensors, {HEADER: json.dumps(facts)}))


def read_header(path: Path) -> dict[str, str]:
    """The header of a block's file.

    Raises:
        UserError: damaged, or no such file.
    """
    try:
        with safe_open(path, "pt") as file:
            facts: dict[str, str] = json.loads((file.metadata() or {}).get(HEADER, "{}"))
    except (OSError, ValueError, SafetensorError) as error:
        raise UserError(f"{path} is damaged ({error}): delete it and encode again") from error
    if facts.get("format") != FORMAT:
        raise UserError(f"{path} is no file of embeddings: written by another program or version?")
    return facts


def hashed(keys: Iterable[str]) -> NDArray[np.int64]:
    """64 bits of each key: two of a million captions agree with probability 3e-8."""
    digests = [hashlib.sha256(key.encode()).digest()[:8] for key in keys]
    return np.frombuffer(bytearray(b"".join(digests)), np.int64)


class StoredTokens:
    """The embeddings of one role in a folder; reads like an encoder, `encode(keys)`.

    8 bytes of every key and 16 of its place are in memory; the states stay in the files.
    """

    def __init__(self, folder: Path, role: str) -> None:
        """Raises UserError: blocks are missing, damaged, or not all by one encoder."""
        self.folder, self.role = folder, role
        paths = sorted(folder.glob(f"{role}-*.safetensors"))
        if not paths:
            raise UserError(f"{folder} has no embeddings for {role}: write them with ediffi encode")
        facts = [read_header(path) for path in paths]
        for path, other in zip(paths, facts, strict=True):
            different = difference(facts[0], other)
            if different:
                raise UserError(f"{path} and {paths[0].name} do not belong together: {different}")
        missing = int(facts[0]["num_blocks"]) - len(paths)
        if missing:
            raise UserError(
                f"{folder} is not finished: {missing} of {facts[0]['num_blocks']} blocks of {role} "
                "are missing. Run the same ediffi encode again"
            )
        try:
            self.spec = EncoderSpec.model_validate_json(facts[0]["encoder"])
        except ValidationError as error:
            raise UserError(f"{paths[0]} names no encoder: {error}") from error
        self._files = [safe_open(path, "pt") for path in paths]
        starts = [file.get_tensor("starts") for file in self._files]
        self._begins = torch.cat([s[:-1] for s in starts])
        self._lengths = torch.cat([s[1:] - s[:-1] for s in starts])
        self._ends = np.cumsum([len(s) - 1 for s in starts])  # of each file's rows
        keys = np.concatenate([file.get_tensor("keys").numpy() for file in self._files])
        self._order = np.argsort(keys, kind="stable")
        self._keys = keys[self._order]

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def width(self) -> int:
        """D, the width of states and pooled vectors."""
        return int(self._files[0].get_slice("states").get_shape()[1])

    def encode(self, keys: Sequence[str]) -> Tokens:
        """What the encoder said about these keys, float32.

        Raises:
            UserError: one of them was not encoded.
        """
        return pad([self._row(key, number) for key, number in zip(keys, hashed(keys), strict=True)])

    def offsets(self, text: str) -> list[tuple[int, int]]:
        """See `TextEncoder.offsets`; needs the encoder's folder, but reads its tokenizer alone."""
        tokenizer, most = self._tokenizer
        return cut(tokenizer, check_prompt(text), most).offsets

    @cached_property
    def _tokenizer(self) -> tuple[Tokenizer, int]:
        """And how many tokens are read: a CLIP has only so many positions."""
        folder = resolve(self.spec)
        most = self.spec.max_tokens
        with readable(folder):
            if self.spec.kind == "clip_text":
                saved = json.loads((folder / "config.json").read_text())
                text = saved.get("text_config", saved)
                most = min(most, text.get("max_position_embeddings", most))
            return read_tokenizer(folder), most

    def _row(self, key: str, number: Any) -> Halves:
        place = int(np.searchsorted(self._keys, number))
        if place == len(self._keys) or self._keys[place] != number:
            raise UserError(
                f"{self.folder} has no {self.role} embedding of {key!r}: encode the same data that "
                "is trained on, with the same options"
            )
        row = int(self._order[place])
        which = int(np.searchsorted(self._ends, row, side="right"))
        inside = row - (int(self._ends[which - 1]) if which else 0)
        begin, length = int(self._begins[row]), int(self._lengths[row])
        file = self._files[which]
        states: Tensor = file.get_slice("states")[begin : begin + length]
        pooled: Tensor = file.get_slice("pooled")[inside]
        return states, pooled


def difference(ours: Mapping[str, str], theirs: Mapping[str, str]) -> str:
    """What two headers disagree on beside the block's number, or "": "field: ours, theirs"."""
    fields = [f for f in ours if f != "block" and ours[f] != theirs.get(f)]
    return "; ".join(f"{f}: {ours[f]}, {theirs.get(f)}" for f in fields)


def stored_roles(folder: Path) -> dict[str, StoredTokens]:
    """All that is in a folder of embeddings, by role.

    Raises:
        UserError: nothing is.
    """
    found = [role for role in ROLES if any(folder.glob(f"{role}-*.safetensors"))]
    if not found:
        raise UserError(f"{folder} has no embeddings: write them with `ediffi encode`")
    return {role: StoredTokens(folder, role) for role in found}
