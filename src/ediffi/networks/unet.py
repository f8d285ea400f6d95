"""The one U-Net: the base reads noise alone, an upscaler also reads its low-resolution picture.

Both are raw networks F(x, c_noise, cond), to be wrapped in EDM preconditioning. Pixels are folded
into channels first (pixel unshuffle by `patch`), so that the widest grid is side / patch.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, cast

import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from ediffi.core.types import StageInput
from ediffi.diffusion import enlarge
from ediffi.networks.attention import TransformerBlock, zero_init
from ediffi.networks.blocks import NoiseEmbedding, ResBlock
from ediffi.networks.context import Conditioner, Context, Drawn
from ediffi.networks.enlarger import Enlarger
from ediffi.networks.retouch import Retouch
from ediffi.networks.sketch import Sketch


class Level(BaseModel):
    """One resolution: `num_blocks` residual blocks on the way down and as many on the way up, each
    followed by `depth` transformer blocks."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    channels: int
    num_blocks: int = 1
    depth: int = 0


class UNetConfig(BaseModel):
    """Shape of a U-Net. roles: token width of each conditioning role.

    scale: 1 for the base; how many times larger the output is than the low-resolution input for
    an upscaler, which then has no self-attention, so that cost is linear in pixels and tiles
    equal the whole.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    levels: tuple[Level, ...]
    roles: dict[str, int]
    patch: Literal[1, 2, 4] = 1
    scale: Literal[1, 4] = 1
    middle_depth: int = 0
    context_width: int
    embedding_width: int
    head_width: int = 64
    grid: int | None = None  # side of the coarsest grid with a learned position, if any
    # blocks of what is drawn before there is noise to look at: of `Sketch` in a base, which needs a
    # grid, of `Enlarger` in an upscaler, which needs patch = scale
    sketch_depth: int = 0
    drawing: tuple[int, int] = (40, 768)  # of a sketch's layer: side, and width of what makes it
    overlaps: bool = True  # whether things stand on each other, else a sketch moves them apart
    retouch: tuple[int, int] | None = None  # channels and blocks of what retouches a sketch, if any

    @property
    def stride(self) -> int:
        """Pixels per cell of the coarsest grid: sides must be a multiple of it."""
        return int(self.patch * 2 ** (len(self.levels) - 1))


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

    def forward(self, x: Tensor, embedding: Tensor, context: Context) -> Tensor:
        x = self.residual(x, embedding)
        for transformer in self.transformers:
            x = transformer(x, embedding, context)
        return x


class UNet(nn.Module):
    """F(x, c_noise, cond): x and the result (B, 3, H, W), c_noise (B,) = ln(sigma) / 4."""

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
        self.sketch = self.enlarger = None
        if config.sketch_depth and config.scale > 1:
            assert config.patch == config.scale
            self.enlarger = Enlarger(
                channels=levels[0].channels,
                enter=levels[0].channels,
                depth=config.sketch_depth,
                scale=config.scale,
                embedding_width=width,
            )
        elif config.sketch_depth:
            assert config.grid is not None
            self.sketch = Sketch(
                levels[-1].channels,
                enter=levels[0].channels,
                patch=config.patch,
                depth=config.sketch_depth,
                grid=config.grid,
                side=config.grid * config.stride,
                drawing=config.drawing,
                overlaps=config.overlaps,
                embedding_width=width,
                context_width=config.context_width,
                head_width=config.head_width,
            )
        self.retouch = None
        if config.retouch is not None:
            assert self.sketch is not None
            self.retouch = Retouch(*config.retouch, width)
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
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, x: Tensor, c_noise: Tensor, cond: StageInput) -> Tensor:
        if x.shape[2] % self.config.stride or x.shape[3] % self.config.stride:
            raise ValueError(
                f"sides must be multiples of {self.config.stride}, got {x.shape[3]}x{x.shape[2]}"
            )
        context = self.context(cond)
        context.sigma = torch.exp(4 * c_noise)
        embedding = F.silu(self._embedding(c_noise, context, cond))
        h = self.enter(self._fold(x, cond))
        drawn = context.drawn
        if self.sketch is not None and drawn is not None:
            h = h + self.sketch.at_widest(drawn, h.shape[2:])
        if self.enlarger is not None and drawn is not None:
            h = h + self.enlarger.at_entrance(drawn.features)
        skips = []
        for i, stacks in enumerate(self.down):
            if i:
                h = self.shrink[i - 1](h)
            for stack in cast(nn.ModuleList, stacks):
                h = stack(h, embedding, context)
                skips.append(h)
        if self.config.grid:
            position: Tensor = self.position
            if position.shape[2:] != h.shape[2:]:
                position = F.interpolate(position, h.shape[2:], mode="bilinear")
            h = h + position.to(h)
        if self.sketch is not None and drawn is not None:
            h = h + self.sketch.at_coarsest(drawn, h.shape[2:])
        if self.middle is not None:
            h = self.middle(h, embedding, context)
        for i, stacks in enumerate(self.up):
            for stack in cast(nn.ModuleList, stacks):
                h = stack(torch.cat([h, skips.pop().to(h)], dim=1), embedding, context)
            if i < len(self.grow):
                h = F.interpolate(self.grow[i](h), scale_factor=2, mode="nearest")
        return F.pixel_shuffle(self.leave(h), self.config.patch)

    def known(self, cond: StageInput, size: tuple[int, int]) -> Tensor:
        """The picture as far as it can be told without noise, (B, 3, *size), float32: by `Sketch`
        or `Enlarger`; without either an upscaler's low resolution, enlarged."""
        drawn = self.context(cond).drawn
        if drawn is None:
            assert cond.low_res is not None
            return enlarge(cond.low_res, size)
        if drawn.picture.shape[2:] == size:
            return drawn.picture
        return F.interpolate(drawn.picture, size, mode="bilinear", antialias=True)

    def before_noise(self) -> Iterator[tuple[str, nn.Parameter]]:
        """The parameters of a sketch, by name: all that it is drawn with, and nothing else."""
        if self.sketch is None:
            return
        for name, parameter in self.named_parameters():
            if name.startswith(("conditioner.", "sketch.")) and "sketch.to_" not in name:
                yield name, parameter

    @property
    def learns_sketch(self) -> bool:
        """Whether it has a sketch that is not fixed yet."""
        return any(parameter.requires_grad for _, parameter in self.before_noise())

    def context(self, cond: StageInput, *, retouched: bool = True) -> Context:
        """The prompt as this network reads it, sketch included: computed once per input.

        retouched: whether the sketch is, where something retouches it.
        """
        key = (self, retouched, torch.is_autocast_enabled("cpu"), torch.is_grad_enabled())
        if key not in cond.memo:
            context: Context = self.conditioner(cond.prompt)
            if self.sketch is not None:
                context.drawn = self.sketch(context, cond.things)
                if self.retouch is not None and retouched:
                    picture = self.retouch(context.drawn.picture, F.silu(context.pooled))
                    context.drawn = context.drawn._replace(picture=picture)
            if self.enlarger is not None:
                assert cond.low_res is not None
                embedding = F.silu(self._augmentation_embedding(cond))
                context.drawn = Drawn(*self.enlarger(cond.low_res, embedding))
            cond.memo[key] = context
        return cond.memo[key]

    def _embedding(self, c_noise: Tensor, context: Context, cond: StageInput) -> Tensor:
        embedding = self.noise(c_noise) + context.pooled
        if self.augmentation is not None:
            embedding = embedding + self._augmentation_embedding(cond)
        return embedding

    def _augmentation_embedding(self, cond: StageInput) -> Tensor:
        assert self.augmentation is not None and cond.augmentation is not None
        embedding: Tensor = self.augmentation(cond.augmentation.clamp_min(1e-3).log() / 4)
        return embedding

    def _fold(self, x: Tensor, cond: StageInput) -> Tensor:
        """Pixels into channels, the low-resolution picture beside them on the same grid."""
        parts = [F.pixel_unshuffle(x, self.config.patch)]
        if self.config.scale > 1:
            assert cond.low_res is not None
            low_res = cond.low_res
            if self.config.patch < self.config.scale:
                factor = self.config.scale // self.config.patch
                low_res = F.interpolate(low_res, scale_factor=factor, mode="bilinear")
            parts.append(low_res)
        return torch.cat(parts, dim=1).contiguous(memory_format=torch.channels_last)

    @property
    def halo(self) -> int:
        """Receptive-field radius in pixels, rounded up to whole cells of the coarsest grid."""
        radius = 2 * self.config.patch  # enter, leave
        for i, level in enumerate(self.config.levels):
            radius += 4 * level.num_blocks * self.config.patch * 2**i
        if self.config.middle_depth:
            radius += 2 * self.config.stride
        if self.enlarger is not None:
            radius += self.enlarger.radius
        cells = -(-radius // self.config.stride) + 1
        return cells * self.config.stride
