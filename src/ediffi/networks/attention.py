"""Self-attention, cross-attention with region bias, and the transformer block.

Shape legend: B pictures, N = H * W positions, L context tokens, C channels, h heads, d head width.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ediffi.core.once import Once
from ediffi.networks.conditioner import Text
from ediffi.networks.regions import columns_of, painted, region_bias


def split_heads(x: Tensor, num_heads: int) -> Tensor:
    return x.unflatten(-1, (num_heads, -1)).transpose(1, 2)  # (B, N, C) -> (B, h, N, d)


def merge_heads(x: Tensor) -> Tensor:
    return x.transpose(1, 2).flatten(2)  # (B, h, N, d) -> (B, N, C)


def attend(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Tensor | None = None,
    *,
    bias: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """softmax(s + bias(s)) v, s = q k^T / sqrt(d). mask: bool, True is seen.

    Plain matrix products on a CPU, where at these sizes PyTorch's fused kernel takes three to five
    times as long, forward and backward; and wherever a bias looks at the scores.
    """
    if q.device.type != "cpu" and bias is None:
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    return attention_shares(q, k, mask, bias=bias).to(v.dtype) @ v


def attention_shares(
    q: Tensor,
    k: Tensor,
    mask: Tensor | None = None,
    *,
    bias: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """softmax(s + bias(s)), s = q k^T / sqrt(d): (B, h, N, L), summing to 1 over the L tokens."""
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
    if bias is not None:
        scores = scores + bias(scores)
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf)
    return scores.softmax(dim=-1)


def zero_init(layer: nn.Linear | nn.Conv2d) -> nn.Linear | nn.Conv2d:
    """New branches start as nothing, so adding one leaves older weights' output unchanged."""
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


class SelfAttention(nn.Module):
    def __init__(self, channels: int, head_width: int) -> None:
        super().__init__()
        self.num_heads = channels // head_width
        self.norm = nn.LayerNorm(channels)
        self.qkv = nn.Linear(channels, 3 * channels, bias=False)
        self.out = zero_init(nn.Linear(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (split_heads(t, self.num_heads) for t in self.qkv(self.norm(x)).chunk(3, dim=-1))
        return self.out(merge_heads(attend(q, k, v)))


class CrossAttention(nn.Module):
    """softmax((Q K^T + w A) / sqrt(d)) V over the prompt's tokens (paint-with-words, Sec. 4.3).

    per_query: how far the scale of w looks, see `region_bias`. Keys and values depend on the text
    alone: without gradients they are computed once per text.
    """

    def __init__(
        self, channels: int, context_width: int, head_width: int, *, per_query: bool
    ) -> None:
        super().__init__()
        self.num_heads = channels // head_width
        self.per_query = per_query
        self.norm = nn.LayerNorm(channels)
        self.query = nn.Linear(channels, channels, bias=False)
        self.key_value = nn.Linear(context_width, 2 * channels, bias=False)
        self.out = zero_init(nn.Linear(channels, channels))
        self._kept: Once[tuple[Tensor, Tensor]] = Once()
        self._painted: Once[Tensor] = Once()

    def forward(self, x: Tensor, text: Text, sigma: Tensor, size: tuple[int, int]) -> Tensor:
        """x (B, N, C), N the positions of a grid of `size` (H, W); sigma (B,)."""
        q, bias = self._queries(x), self._bias(text, sigma, size)
        if torch.is_grad_enabled():
            k, v = self._keys_values(text)
        else:
            k, v = self._kept(text, "kv", lambda: self._keys_values(text))
        return self.out(merge_heads(attend(q, k, v, text.mask[:, None, None, :], bias=bias)))

    def shares(self, x: Tensor, text: Text, sigma: Tensor, size: tuple[int, int]) -> Tensor:
        """How each position's attention is shared out over the tokens: (B, h, N, L)."""
        k, _ = self._keys_values(text)
        bias = self._bias(text, sigma, size)
        return attention_shares(self._queries(x), k, text.mask[:, None, None, :], bias=bias)

    def _queries(self, x: Tensor) -> Tensor:
        return split_heads(self.query(self.norm(x)), self.num_heads)

    def _keys_values(self, text: Text) -> tuple[Tensor, Tensor]:
        k, v = self.key_value(text.states).chunk(2, dim=-1)
        return split_heads(k, self.num_heads), split_heads(v, self.num_heads)

    def _bias(
        self, text: Text, sigma: Tensor, size: tuple[int, int]
    ) -> Callable[[Tensor], Tensor] | None:
        regions = text.regions
        if regions is None:
            return None
        weighted = self._painted(
            text,
            size,
            lambda: painted(regions, columns_of(regions, text.offsets, text.states.shape[1]), size),
        )
        return lambda scores: region_bias(
            scores, regions, weighted, sigma, text.mask, self.per_query
        )


class TransformerBlock(nn.Module):
    """(Self-attention,) cross-attention and a feed-forward part that the embedding modulates."""

    def __init__(
        self,
        channels: int,
        *,
        embedding_width: int,
        context_width: int,
        head_width: int,
        self_attention: bool,
    ) -> None:
        super().__init__()
        self.self_attention = SelfAttention(channels, head_width) if self_attention else None
        # an upscaler's block sees every position alone, and so do its regions
        self.cross_attention = CrossAttention(
            channels, context_width, head_width, per_query=not self_attention
        )
        self.norm = nn.LayerNorm(channels, elementwise_affine=False)
        self.modulate = zero_init(nn.Linear(embedding_width, 2 * channels))
        self.expand = nn.Linear(channels, 4 * channels)
        self.contract = zero_init(nn.Linear(4 * channels, channels))

    def forward(self, x: Tensor, embedding: Tensor, text: Text, sigma: Tensor) -> Tensor:
        size = (x.shape[2], x.shape[3])
        t = x.permute(0, 2, 3, 1).flatten(1, 2)  # (B, N, C), free in channels_last
        if self.self_attention is not None:
            t = t + self.self_attention(t)
        t = t + self.cross_attention(t, text, sigma, size)
        scale, shift = self.modulate(embedding)[:, None].chunk(2, dim=-1)
        t = t + self.contract(F.gelu(self.expand(torch.addcmul(shift, self.norm(t), 1 + scale))))
        return t.unflatten(1, size).permute(0, 3, 1, 2)
