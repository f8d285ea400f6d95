"""From characters of a prompt to the tokens that carry them, in every text encoder alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ediffi.core.types import Prompt
from ediffi.encoders.clip import ClipImageEncoder
from ediffi.encoders.prompt import Encoder

Span = tuple[int, int]
"""text[start:end], of the text as `check_prompt` gives it."""


def token_columns(
    encoders: Mapping[str, Encoder],
    prompt: Prompt,
    texts: Sequence[str],
    spans: Sequence[Sequence[Span]],
) -> dict[str, Tensor]:
    """Which tokens carry each span: (B, R, L) bool by role, R the most spans of any text.

    prompt: what the encoders made of the B texts; its text roles are the ones answered for.
    A span beyond the part of the text that an encoder reads has no token there.
    """
    most = max((len(row) for row in spans), default=0)
    columns = {}
    for role, encoder in encoders.items():
        if role not in prompt.tokens or isinstance(encoder, ClipImageEncoder):
            continue
        length = prompt.tokens[role].mask.shape[1]
        marked = torch.zeros(len(texts), most, length, dtype=torch.bool)
        for row, (text, wanted) in enumerate(zip(texts, spans, strict=True)):
            if wanted:
                hits = columns_of(encoder.offsets(text), text, wanted)
                marked[row, : hits.shape[0], : hits.shape[1]] = hits
        columns[role] = marked
    return columns


def columns_of(tokens: Sequence[Span], text: str, spans: Sequence[Span]) -> Tensor:
    """Which tokens, by where they stand in a text, carry each span: (R, L) bool."""
    hits = [[overlap(text, span, token) for token in tokens] for span in spans]
    return torch.tensor(hits, dtype=torch.bool).reshape(len(spans), len(tokens))


def overlap(text: str, one: Span, other: Span) -> bool:
    """Whether two spans share a character that is not a space, which some tokens begin with."""
    return bool(text[max(one[0], other[0]) : min(one[1], other[1])].strip())
