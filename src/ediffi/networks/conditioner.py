"""From a `Prompt` to what the network reads: context tokens, their mask, one pooled vector."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ediffi.core.types import Prompt, Regions


@dataclass(frozen=True, eq=False)
class Text:
    """A prompt as one network reads it.

    states: (B, L, W) context tokens; mask: (B, L) bool, True where a token is seen; pooled:
    (B, E), added to the noise embedding; offsets[role]: where the role's tokens start among the L;
    regions: the painted phrases of the roles that the network hears.
    """

    states: Tensor
    mask: Tensor
    pooled: Tensor
    offsets: dict[str, int]
    regions: Regions | None


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

    def forward(self, prompt: Prompt) -> Text:
        size = len(prompt)
        anchor = self.anchor.expand(size, 1, -1)
        states, masks, pooled, offsets = [anchor], [_all_seen(anchor)], [], {}
        length = 1
        for role in self.roles:
            role_states, role_mask, role_pooled = self._read(prompt, role)
            offsets[role] = length
            length += role_states.shape[1]
            states.append(role_states)
            masks.append(role_mask)
            pooled.append(role_pooled)
        dtype = states[1].dtype
        return Text(
            torch.cat([s.to(dtype) for s in states], dim=1),
            torch.cat(masks, dim=1),
            torch.stack([p.float() for p in pooled]).sum(dim=0),
            offsets,
            self._heard(prompt),
        )

    def _read(self, prompt: Prompt, role: str) -> tuple[Tensor, Tensor, Tensor]:
        """States (B, L, W), mask (B, L) and pooled (B, E) of a role; one null token if dropped."""
        null, null_pooled = self.null[role], self.null_pooled[role].expand(len(prompt), -1)
        tokens = prompt.tokens.get(role)
        if tokens is None:
            states = null.expand(len(prompt), 1, -1)
            return states, _all_seen(states), null_pooled
        keep = prompt.keep[role]
        states = self.project[role](self.norm[role](tokens.states))
        states = torch.where(keep[:, None, None], states, null.to(states))
        first = torch.zeros_like(tokens.mask)
        first[:, 0] = True
        mask = torch.where(keep[:, None], tokens.mask, first)
        kept = self.pool[role](F.layer_norm(tokens.pooled, tokens.pooled.shape[-1:]))
        return states, mask, torch.where(keep[:, None], kept, null_pooled.to(kept))

    def _heard(self, prompt: Prompt) -> Regions | None:
        """The painted phrases less those of roles that the network does not get to see."""
        if prompt.regions is None:
            return None
        columns = {
            role: phrases & prompt.keep[role][:, None, None]
            for role, phrases in prompt.regions.columns.items()
            if role in self.roles and role in prompt.tokens
        }
        return replace(prompt.regions, columns=columns)


def _all_seen(states: Tensor) -> Tensor:
    return torch.ones(states.shape[:2], dtype=torch.bool, device=states.device)
