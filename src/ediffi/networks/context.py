"""From a `Prompt` to what the network reads: context tokens, their mask, one pooled vector."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import replace
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ediffi.core.types import Prompt, Regions, Window

STRAY = 0.01  # of a mask's sum, on each side


class Drawn(NamedTuple):
    """What a network draws before there is noise to look at, see `Sketch` and `Enlarger`.

    features: (B, C, h, w); picture: (B, 3, H, W) in about [-1, 1]. Of a sketch: boxes (B, K, 4) of
    its layers; there (B, K), logits of whether there is a thing in each; shares (B, K, L), of each
    layer's attention to the tokens; drawings (B, K, 4, S, S), as in `Things`.
    """

    features: Tensor
    picture: Tensor
    boxes: Tensor | None = None
    there: Tensor | None = None
    shares: Tensor | None = None
    drawings: Tensor | None = None


class Context:
    """A prompt as one network sees it, with each layer's keys and values kept once computed.

    states: (B, L, W); mask: (B, L) bool; pooled: (B, E); words: (B, L, E), each token's own
    contribution, were it the whole prompt.
    offsets[role]: where the role's tokens start among the L.
    """

    def __init__(
        self,
        states: Tensor,
        mask: Tensor,
        pooled: Tensor,
        words: Tensor,
        offsets: dict[str, int],
        regions: Regions | None,
    ) -> None:
        self.states, self.mask, self.pooled, self.words = states, mask, pooled, words
        self.offsets, self.regions = offsets, regions
        self.sigma: Tensor | None = None  # (B,), set by the network
        self.drawn: Drawn | None = None  # before there is noise to look at, set by the network
        self._memo: dict[Any, Any] = {}

    def once(self, key: Any, fn: Callable[[Tensor], Any]) -> Any:
        """fn(states), computed the first time a layer (the key) asks."""
        if key not in self._memo:
            self._memo[key] = fn(self.states)
        return self._memo[key]

    def region_bias(self, scores: Tensor, size: tuple[int, int], *, per_query: bool) -> Tensor:
        """w A, to be added to the scores Q K^T / sqrt(d) (B, h, N, L): (B, 1, N, L).

        w = w' * growth(sigma) * scale(scores), see `RegionForm`. The scale is taken over one
        sample, so that a picture does not depend on its batch mates, or over each query
        (`per_query`), so that a tile does not depend on the rest of the picture.
        """
        assert self.regions is not None and self.sigma is not None
        painted: Tensor = self.once(("regions", size), lambda _: self._columns(size))
        form, sigma = self.regions.form, self.sigma.float()
        growth = torch.log1p(sigma if form.growth == "sigma" else sigma.square())
        measure = _largest if form.scale == "max" else _deviation
        across = (1, 3) if per_query else (1, 2, 3)
        scale = measure(scores.detach(), self.mask[:, None, None, :], across)
        return (growth[:, None, None, None] * scale * painted).to(scores.dtype)

    def _columns(self, size: tuple[int, int]) -> Tensor:
        """A, weighted: (B, 1, N, L); column t holds the mask of the phrase with token t."""
        assert self.regions is not None
        masks = _resized(self.regions.masks, size, self.regions.window)
        masks = (masks * self.regions.weight[:, :, None, None]).flatten(2)  # (B, R, N)
        return (masks.transpose(1, 2) @ self._tokens(self.regions))[:, None]

    def marked(self, columns: Mapping[str, Tensor], num: int) -> Tensor:
        """1 where a token is of a phrase, else 0: (B, num, L). columns[role]: (B, num, tokens)."""
        tokens = self.states.new_zeros(len(self.states), num, self.states.shape[1]).float()
        for role, own in columns.items():
            start = self.offsets[role]
            tokens[:, :, start : start + own.shape[-1]] = own
        return tokens

    def _tokens(self, regions: Regions) -> Tensor:
        return self.marked(regions.columns, regions.weight.shape[1])

    def painted(self) -> Tensor | None:
        """The box around where each token is painted, and 1 (0 where it is not): (B, L, 5)."""
        tokens = self.painted_phrases()
        if tokens is None or self.regions is None:
            return None
        boxes = F.pad(bounds(self.regions.masks), (0, 1), value=1.0)  # (B, R, 5)
        times = tokens.sum(1).clamp_min(1)  # a token may be of several painted phrases
        return tokens.transpose(1, 2) @ boxes / times[:, :, None]

    def painted_phrases(self) -> Tensor | None:
        """1 where a token is of a phrase that is painted, to be drawn there: (B, R, L)."""
        if self.regions is None or not self.regions.form.placed:
            return None
        shown = (self.regions.weight > 0) & (self.regions.masks.amax((2, 3)) > 0.5)
        return self._tokens(self.regions) * shown[:, :, None]

    def unpainted(self) -> Context:
        """The same for layers whose queries are no places of the picture."""
        other = copy(self)
        other.regions = None
        return other


def bounds(masks: Tensor) -> Tensor:
    """The boxes (B, R, 4) that hold all but the outermost hundredth of masks (B, R, H, W) on each
    side, which may be what a brush left by accident: x, y, width, height, shares of the canvas."""
    sides = []
    for across in (2, 3):
        profile = masks.sum(across)
        share = profile.cumsum(-1) / profile.sum(-1, keepdim=True).clamp_min(1e-6)
        low = (share <= STRAY).sum(-1) / masks.shape[5 - across]
        high = 1 - (share >= 1 - STRAY).sum(-1).sub(1).clamp_min(0) / masks.shape[5 - across]
        sides.append((low, (high - low).clamp_min(0)))
    (x, width), (y, height) = sides
    return torch.stack([x, y, width, height], dim=-1)


def _largest(scores: Tensor, visible: Tensor, across: tuple[int, ...]) -> Tensor:
    """The largest score, not below 0, where its sign would turn a phrase away."""
    highest = scores.masked_fill(~visible, -torch.inf).amax(across, keepdim=True)
    return highest.clamp_min(0).float()


def _deviation(scores: Tensor, visible: Tensor, across: tuple[int, ...]) -> Tensor:
    """The standard deviation of the scores of tokens that are not padding."""
    shown, scores = visible.expand_as(scores).float(), scores.float()
    count = shown.sum(across, keepdim=True)
    mean = (scores * shown).sum(across, keepdim=True) / count
    return (((scores - mean).square() * shown).sum(across, keepdim=True) / count).sqrt()


def _resized(masks: Tensor, size: tuple[int, int], window: Window | None) -> Tensor:
    """(B, R, H, W) masks of the whole picture on a layer's grid: (B, R, *size).

    A window gets its part of the grid that the whole would have, so that tiles equal the whole.
    """
    if window is None:
        return F.interpolate(masks, size, mode="bilinear", antialias=True)
    y = (window.bottom - window.top) // size[0]  # pixels per cell of the grid
    x = (window.right - window.left) // size[1]
    whole = (window.height // y, window.width // x)
    masks = F.interpolate(masks, whole, mode="bilinear", antialias=True)
    top, left = window.top // y, window.left // x
    return masks[:, :, top : top + size[0], left : left + size[1]]


class Conditioner(nn.Module):
    """Projects every role's tokens and pooled vector; dropped roles become learned null tokens.

    Args:
        roles: token width of each role, e.g. {"t5": 4096, "clip_text": 768, "clip_image": 768}.
        context_width: W, width of the context tokens.
        embedding_width: E, width of the vector that is added to the noise embedding.
    """

    def __init__(
        self, roles: Mapping[str, int], *, context_width: int, embedding_width: int
    ) -> None:
        super().__init__()
        self.roles = tuple(roles)
        self.width = embedding_width
        self.norm = nn.ModuleDict({r: nn.LayerNorm(d) for r, d in roles.items()})
        self.project = nn.ModuleDict({r: nn.Linear(d, context_width) for r, d in roles.items()})
        self.pool = nn.ModuleDict({r: nn.Linear(d, embedding_width) for r, d in roles.items()})
        self.null = nn.ParameterDict(
            {r: nn.Parameter(0.02 * torch.randn(context_width)) for r in roles}
        )
        self.null_pooled = nn.ParameterDict(
            {r: nn.Parameter(torch.zeros(embedding_width)) for r in roles}
        )
        # can be attended when no token is needed (the paper's learnable null token)
        self.anchor = nn.Parameter(0.02 * torch.randn(context_width))

    def forward(self, prompt: Prompt) -> Context:
        size = len(prompt)
        anchor = self.anchor.expand(size, 1, -1)
        states, masks, pooled, offsets = [anchor], [self._mask(anchor)], [], {}
        words = [next(iter(self.null_pooled.values())).new_zeros(size, 1, self.width)]
        length = 1
        for role in self.roles:
            null, null_pooled = self.null[role], self.null_pooled[role].expand(size, -1)
            tokens = prompt.tokens.get(role)
            if tokens is None:
                role_states = null.expand(size, 1, -1)
                role_mask, role_pooled = self._mask(role_states), null_pooled
                words.append(null_pooled[:, None])
            else:
                keep = prompt.keep[role]
                role_states = self.project[role](self.norm[role](tokens.states))
                role_states = torch.where(keep[:, None, None], role_states, null.to(role_states))
                first = torch.zeros_like(tokens.mask)
                first[:, 0] = True  # a dropped role shows one null token
                role_mask = torch.where(keep[:, None], tokens.mask, first)
                kept = self.pool[role](F.layer_norm(tokens.pooled, tokens.pooled.shape[-1:]))
                role_pooled = torch.where(keep[:, None], kept, null_pooled.to(kept))
                each = self.pool[role](F.layer_norm(tokens.states, tokens.states.shape[-1:]))
                words.append(torch.where(keep[:, None, None], each, null_pooled[:, None].to(each)))
            offsets[role] = length
            length += role_states.shape[1]
            states.append(role_states)
            masks.append(role_mask)
            pooled.append(role_pooled)
        dtype = states[1].dtype
        return Context(
            torch.cat([s.to(dtype) for s in states], dim=1),
            torch.cat(masks, dim=1),
            torch.stack([p.float() for p in pooled]).sum(dim=0),
            torch.cat([w.float() for w in words], dim=1),
            offsets,
            self._shown(prompt),
        )

    def _shown(self, prompt: Prompt) -> Regions | None:
        """The painted phrases less those of roles that the network does not get to see."""
        if prompt.regions is None:
            return None
        columns = {
            role: phrases & prompt.keep[role][:, None, None]
            for role, phrases in prompt.regions.columns.items()
            if role in self.roles and role in prompt.tokens
        }
        return replace(prompt.regions, columns=columns)

    @staticmethod
    def _mask(states: Tensor) -> Tensor:
        return torch.ones(states.shape[:2], dtype=torch.bool, device=states.device)
