"""Where the words of a prompt went: cross-attention, read while the first stage draws."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from threading import get_ident
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook

from ediffi.core.types import Prompt
from ediffi.model.asks import Denoise, Prepare
from ediffi.model.parts import Parts
from ediffi.model.plan import Plan
from ediffi.model.run import asking, encode
from ediffi.networks.attention import CrossAttention
from ediffi.networks.sketched.sketch import Sketch
from ediffi.paint.spans import Span, token_columns

WORD = re.compile(r"[^\W_]+(?:['\u2019-][^\W_]+)*")


@dataclass(frozen=True, eq=False)
class Attention:
    """What a network looked at in one evaluation.

    sigma: infinity where it looked at the text alone, before there is any noise; shares:
    (B, L, h, w), each position's attention to the context tokens, mean over heads and layers, which
    sums to 1 over L in a U-Net; offsets[role]: where the role's tokens start among the L. Token 0
    is the null token, which is attended where no word is needed.
    """

    sigma: float
    shares: Tensor
    offsets: dict[str, int]


@dataclass(frozen=True, eq=False)
class WordMap:
    """Where one word went: text[start:end] of the plan's subject; map: (h, w), 1 where any word of
    the picture was looked at most."""

    word: str
    span: Span
    map: Tensor


def attended(plan: Plan, parts: Parts, prompt: Prompt | None = None) -> Iterator[Attention]:
    """The attention of every evaluation of a plan's first stage, as the pictures are drawn again.

    prompt: of `encode`, if it is at hand.
    """
    prompt = encode(plan, parts) if prompt is None else prompt
    run, answer = asking(replace(plan, stages=plan.stages[:1]), prompt, parts), None
    while True:
        try:
            asked = run.send(answer)
        except StopIteration:
            return
        answer = None
        if isinstance(asked, Prepare | Denoise):
            with _watched(len(plan)) as seen:
                answer = asked.answer()
            if seen:
                sigma = asked.sigma if isinstance(asked, Denoise) else float("inf")
                size = max((tuple(s.shape[2:]) for s, _ in seen), key=lambda hw: hw[0])
                shares = [F.interpolate(s, size, mode="bilinear") for s, _ in seen]
                yield Attention(sigma, torch.stack(shares).mean(0), seen[0][1])


def word_maps(plan: Plan, parts: Parts) -> list[list[WordMap]]:
    """Where each word of each picture's prompt went, mean over the evaluations. A plan without
    words has none.

    A base of version 0.1 decides it before there is noise, and only that counts.
    """
    texts = [subject.text or "" for subject in plan.subjects]
    spans = [[match.span() for match in WORD.finditer(text)] for text in texts]
    if not any(spans):
        return [[] for _ in texts]
    prompt = encode(plan, parts)
    told: list[Attention] = []
    for one in attended(plan, parts, prompt):
        told.append(one)
        if one.sigma == float("inf"):
            break
    encoders = {role: parts.encoder(role) for role in plan.roles}
    with parts.lock:
        columns = token_columns(encoders, prompt, texts, spans)
    mean = torch.stack([one.shares for one in told]).mean(0)
    tokens = mean.new_zeros(*columns[next(iter(columns))].shape[:2], mean.shape[1])  # (B, R, L)
    for role, own in columns.items():
        start = told[0].offsets[role]
        tokens[:, :, start : start + own.shape[-1]] = own.to(tokens)
    maps = torch.einsum("brl,blyx->bryx", tokens, mean).float().cpu()
    maps = maps / maps.amax((1, 2, 3), keepdim=True).clamp_min(1e-6)
    return [
        [
            WordMap(text[slice(*span)], span, one)
            for span, one in zip(its, rows, strict=False)  # fewer words than the longest prompt has
        ]
        for text, its, rows in zip(texts, spans, maps, strict=True)
    ]


@contextmanager
def _watched(batch: int) -> Iterator[list[tuple[Tensor, dict[str, int]]]]:
    """(B, L, h, w) of every layer that looks at words in this thread's evaluations; of a guided
    pair the half that hears the prompt, which comes first."""
    seen: list[tuple[Tensor, dict[str, int]]] = []
    sketched: list[tuple[Tensor, dict[str, int]]] = []
    thread = get_ident()

    def look(module: nn.Module, args: Any, out: Any) -> None:
        if get_ident() != thread:
            return
        if isinstance(module, CrossAttention):
            x, text, _, (height, width) = args
            if x.shape[1] > 1 and height * width == x.shape[1]:
                shares = module.shares(*args)[:batch].float().mean(1)  # (B, N, L)
                seen.append((shares.transpose(1, 2).unflatten(2, (height, width)), text.offsets))
        elif isinstance(module, Sketch):
            shares = torch.einsum("bkl,bkyx->blyx", out.shares.float(), out.cover.float())
            sketched.append((shares[:batch], args[0].offsets))

    handle = register_module_forward_hook(look)
    try:
        yield seen
    finally:
        handle.remove()
        if sketched:
            seen[:] = sketched
