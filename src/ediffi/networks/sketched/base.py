"""The text-only prior as `Around` wants it, and the U-Net that hears its features."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ediffi.core.types import Prompt, StageInput
from ediffi.diffusion import Predicted
from ediffi.networks.conditioner import Conditioner
from ediffi.networks.config import SketchConfig, UNetConfig
from ediffi.networks.sketched.retouch import Retouch
from ediffi.networks.sketched.sketch import Sketch
from ediffi.networks.unet import UNet


class SketchPrior(nn.Module):
    """The picture from the prompt alone; its hint is what a `SketchedUNet` adds on two grids."""

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        prior, width = config.prior, config.embedding_width
        assert isinstance(prior, SketchConfig) and config.grid is not None
        self.fold = 2 ** (len(config.levels) - 1)
        self.conditioner = Conditioner(
            config.roles, context_width=config.context_width, embedding_width=width
        )
        self.sketch = Sketch(
            config.levels[-1].channels,
            enter=config.levels[0].channels,
            patch=config.patch,
            config=prior,
            grid=config.grid,
            side=config.grid * config.stride,
            embedding_width=width,
            context_width=config.context_width,
            head_width=config.head_width,
        )
        self.retouch = None if prior.retouch is None else Retouch(*prior.retouch, width)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, cond: StageInput, size: tuple[int, int]) -> Predicted:
        text = self.conditioner(cond.prompt)
        drawn = self.sketch(text, self._words(cond.prompt))
        picture: Tensor = drawn.picture
        if self.retouch is not None:
            picture = self.retouch(picture, F.silu(text.pooled))
        # both grids in one tensor: the coarsest is unfolded onto the widest
        coarsest = F.pixel_shuffle(drawn.features, self.fold)
        hint = torch.cat([self.sketch.at_widest(picture), coarsest], dim=1)
        if picture.shape[2:] != size:
            picture = F.interpolate(picture, size, mode="bilinear", antialias=True)
        return Predicted(picture, hint)

    def _words(self, prompt: Prompt) -> Tensor:
        """Each token's own contribution to the pooled vector, were it the prompt: (B, L, E)."""
        reads, batch = self.conditioner, len(prompt)
        words = [torch.zeros_like(next(iter(reads.null_pooled.values()))).expand(batch, 1, -1)]
        for role in reads.roles:
            null, tokens = reads.null_pooled[role].expand(batch, 1, -1), prompt.tokens.get(role)
            if tokens is None:
                words.append(null)
                continue
            each = reads.pool[role](F.layer_norm(tokens.states, tokens.states.shape[-1:]))
            words.append(torch.where(prompt.keep[role][:, None, None], each, null.to(each)))
        return torch.cat([w.float() for w in words], dim=1)


class SketchedUNet(UNet):
    """A U-Net that adds the hint of a `SketchPrior` on its widest and its coarsest grid."""

    def _enter(self, x: Tensor, cond: StageInput) -> Tensor:
        h = super()._enter(x, cond)
        assert cond.hint is not None
        return h + _fitted(cond.hint[:, : h.shape[1]], h)

    def _positioned(self, h: Tensor, cond: StageInput) -> Tensor:
        assert cond.hint is not None
        folded = cond.hint[:, self.config.levels[0].channels :]
        coarsest = F.pixel_unshuffle(folded, 2 ** (len(self.config.levels) - 1))
        return super()._positioned(h, cond) + _fitted(coarsest, h)


def _fitted(x: Tensor, like: Tensor) -> Tensor:
    size = like.shape[2:]
    return x if x.shape[2:] == size else F.interpolate(x, size, mode="bilinear")
