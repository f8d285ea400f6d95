"""The one U-Net: the base reads noise alone, an upscaler also reads its low-resolution picture.

Both are raw networks F(x, sigma, cond), to be wrapped in EDM preconditioning. Pixels are folded
into channels first (pixel unshuffle by `patch`), so that the widest grid is side / patch.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ediffi.core.once import Once
from ediffi.core.types import StageInput
from ediffi.diffusion.around import under_autocast
from ediffi.networks.attention import TransformerBlock, zero_init
from ediffi.networks.blocks import NoiseEmbedding, ResBlock
from ediffi.networks.conditioner import Conditioner, Text
from ediffi.networks.config import EnlargerConfig, Level, UNetConfig


class Stack(nn.Module):
    """A residual block and the transformer blocks that follow it."""

    def __init__(self, c_in: int, level: Level, depth: int, config: UNetConfig) -> None:
        super().__init__()
        self.residual = ResBlock(c_in, level.channels, config.embedding_width)
        self.transformers = nn.ModuleList(
            TransformerBlock(
                level.channels,
                embedding_width=config.embedding_width,
                context_width=config.context_width,
                head_width=config.head_width,
                self_attention=config.scale == 1,
            )
            for _ in range(depth)
        )

    def forward(self, x: Tensor, embedding: Tensor, text: Text, sigma: Tensor) -> Tensor:
        x = self.residual(x, embedding)
        for transformer in self.transformers:
            x = transformer(x, embedding, text, sigma)
        return x


class UNet(nn.Module):
    """F(x, sigma, cond): x and the result (B, 3, H, W), sigma (B,)."""

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        levels, width = config.levels, config.embedding_width
        pixels = 3 * config.patch**2
        self.noise = NoiseEmbedding(width)
        self.augmentation = NoiseEmbedding(width) if config.scale > 1 else None
        self.conditioner = Conditioner(
            config.roles, context_width=config.context_width, embedding_width=width
        )
        self.hint = None
        if isinstance(config.prior, EnlargerConfig):
            self.hint = zero_init(nn.Conv2d(config.prior.channels, levels[0].channels, 1))
        low_res = 0 if config.scale == 1 else 3 * max(1, config.patch // config.scale) ** 2
        self.enter = nn.Conv2d(pixels + low_res, levels[0].channels, 3, padding=1)

        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        self.shrink, self.grow = nn.ModuleList(), nn.ModuleList()
        channels = levels[0].channels
        skips = []
        for i, level in enumerate(levels):
            if i:
                self.shrink.append(nn.Conv2d(channels, level.channels, 2, stride=2))
                channels = level.channels
            stacks = nn.ModuleList()
            for _ in range(level.num_blocks):
                stacks.append(Stack(channels, level, level.depth, config))
                channels = level.channels
                skips.append(channels)
            self.down.append(stacks)
        if config.grid:
            self.position = nn.Parameter(torch.zeros(1, channels, config.grid, config.grid))
        middle = config.middle_depth
        self.middle = Stack(channels, levels[-1], middle, config) if middle else None
        for i, level in reversed(list(enumerate(levels))):
            stacks = nn.ModuleList()
            for _ in range(level.num_blocks):
                stacks.append(Stack(channels + skips.pop(), level, level.depth, config))
                channels = level.channels
            self.up.append(stacks)
            if i:
                self.grow.append(nn.Conv2d(channels, levels[i - 1].channels, 1))
                channels = levels[i - 1].channels
        self.leave = nn.Sequential(nn.SiLU(), zero_init(nn.Conv2d(channels, pixels, 3, padding=1)))
        self._texts: Once[Text] = Once()
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, x: Tensor, sigma: Tensor, cond: StageInput) -> Tensor:
        if x.shape[2] % self.config.stride or x.shape[3] % self.config.stride:
            raise ValueError(
                f"sides must be multiples of {self.config.stride}, got {x.shape[3]}x{x.shape[2]}"
            )
        text = self.text(cond)
        embedding = F.silu(self._embedding(sigma, text, cond))
        h = self._enter(x, cond)
        skips = []
        for i, stacks in enumerate(self.down):
            if i:
                h = self.shrink[i - 1](h)
            for stack in cast(nn.ModuleList, stacks):
                h = stack(h, embedding, text, sigma)
                skips.append(h)
        h = self._positioned(h, cond)
        if self.middle is not None:
            h = self.middle(h, embedding, text, sigma)
        for i, stacks in enumerate(self.up):
            for stack in cast(nn.ModuleList, stacks):
                h = stack(torch.cat([h, skips.pop().to(h)], dim=1), embedding, text, sigma)
            if i < len(self.grow):
                h = F.interpolate(self.grow[i](h), scale_factor=2, mode="nearest")
        return F.pixel_shuffle(self.leave(h), self.config.patch)

    def text(self, cond: StageInput) -> Text:
        """The prompt as this network reads it: without gradients computed once per prompt."""
        if torch.is_grad_enabled():
            read: Text = self.conditioner(cond.prompt)
            return read
        key = under_autocast(self.enter.weight.device)
        return self._texts(cond.prompt, key, lambda: self.conditioner(cond.prompt))

    def _enter(self, x: Tensor, cond: StageInput) -> Tensor:
        """The widest grid: pixels in channels, the low-resolution picture and the prior's hint."""
        parts = [F.pixel_unshuffle(x, self.config.patch)]
        if self.config.scale > 1:
            assert cond.low_res is not None
            low_res = cond.low_res
            if self.config.patch < self.config.scale:
                factor = self.config.scale // self.config.patch
                low_res = F.interpolate(low_res, scale_factor=factor, mode="bilinear")
            parts.append(low_res)
        folded = torch.cat(parts, dim=1).contiguous(memory_format=torch.channels_last)
        h: Tensor = self.enter(folded)
        if self.hint is not None:
            assert cond.hint is not None
            h = h + self.hint(cond.hint)
        return h

    def _positioned(self, h: Tensor, cond: StageInput) -> Tensor:
        """The coarsest grid with its learned position."""
        if not self.config.grid:
            return h
        position: Tensor = self.position
        if position.shape[2:] != h.shape[2:]:
            position = F.interpolate(position, h.shape[2:], mode="bilinear")
        return h + position.to(h)

    def _embedding(self, sigma: Tensor, text: Text, cond: StageInput) -> Tensor:
        embedding: Tensor = self.noise(sigma) + text.pooled
        if self.augmentation is not None:
            assert cond.augmentation is not None
            embedding = embedding + self.augmentation(cond.augmentation.clamp_min(1e-3))
        return embedding
