"""Captions repeat in training: encode each one once and keep it at half precision."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import torch
from torch import Tensor

from ediffi.core.types import Tokens
from ediffi.encoders.text import TextEncoder

Halves = tuple[Tensor, Tensor]
"""What is kept of one text: states of its real tokens (L, D) and pooled (D,), float16."""

BUCKET = 8  # tokens: rows are padded to a multiple of it
ROWS = 8  # rows per forward pass, always


class CachedText:
    """A text encoder that remembers. What it returns for a caption never depends on the other
    captions of the batch, nor on what it has seen before: misses run in blocks of one fixed shape,
    so that a training run that was stopped and resumed sees the very same numbers.

    max_captions: the oldest are forgotten beyond it (12 tokens of 384 take 10 kB).
    """

    def __init__(self, encoder: TextEncoder, *, max_captions: int = 200_000) -> None:
        self.encoder = encoder
        self.max_captions = max_captions
        self._kept: dict[str, Halves] = {}

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def width(self) -> int:
        return self.encoder.width

    def offsets(self, text: str) -> list[tuple[int, int]]:
        """See `TextEncoder.offsets`."""
        return self.encoder.offsets(text)

    def encode(self, texts: Sequence[str]) -> Tokens:
        """Like `TextEncoder.encode`, float32, from the values kept in float16."""
        found = {text: self._kept[text] for text in texts if text in self._kept}
        found |= self.remember(texts)
        return pad([found[text] for text in texts])

    def remember(self, texts: Sequence[str]) -> dict[str, Halves]:
        """Encode those that are not known yet, and return them. Many at once: a block takes as long
        for one text as for ROWS."""
        new = [text for text in dict.fromkeys(texts) if text not in self._kept]
        encoded = encode_halves(self.encoder, new)
        self._kept |= encoded
        while len(self._kept) > self.max_captions:
            self._kept.pop(next(iter(self._kept)))
        return encoded


def encode_halves(encoder: TextEncoder, texts: Sequence[str]) -> dict[str, Halves]:
    """Every text encoded in a block of one fixed shape: its numbers never depend on the others."""
    buckets: dict[int, list[tuple[str, list[int]]]] = defaultdict(list)
    for text, ids in zip(texts, encoder.tokenize(texts) if texts else [], strict=True):
        length = min(-(-len(ids) // BUCKET) * BUCKET, encoder.max_tokens)
        buckets[length].append((text, ids))
    out: dict[str, Halves] = {}
    for length, rows in buckets.items():
        for start in range(0, len(rows), ROWS):
            block = rows[start : start + ROWS]
            filled = [ids for _, ids in block] + [block[0][1]] * (ROWS - len(block))
            tokens = encoder.run(filled, pad_to=length)
            for i, (text, ids) in enumerate(block):
                states = tokens.states[i, : len(ids)].half()
                out[text] = states, tokens.pooled[i].half()
    return out


def pad(rows: Sequence[Halves]) -> Tokens:
    """Rows as one batch, float32, padded to the longest."""
    lengths = torch.tensor([len(states) for states, _ in rows])
    mask = torch.arange(int(lengths.max())) < lengths[:, None]
    states = torch.nn.utils.rnn.pad_sequence([s.float() for s, _ in rows], batch_first=True)
    return Tokens(states, mask, torch.stack([pooled.float() for _, pooled in rows]))
