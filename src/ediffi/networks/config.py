"""Shapes of networks, as they stand in a model folder."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Level(BaseModel):
    """One resolution: `num_blocks` residual blocks on the way down and as many on the way up, each
    followed by `depth` transformer blocks."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    channels: int
    num_blocks: int = 1
    depth: int = 0


class EnlargerConfig(BaseModel):
    """Shape of an upscaler's prior, see `Enlarger`: `depth` residual blocks of `channels`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["enlarger"] = "enlarger"
    channels: int
    depth: int


class SketchConfig(BaseModel):
    """Shape of a text-only prior, see `networks.sketched`: `depth` transformer blocks.

    drawing: side of a layer, and width of what makes it; overlaps: whether layers may lie on each
    other; retouch: channels and blocks of what sharpens the picture, if any."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["sketch"] = "sketch"
    depth: int
    drawing: tuple[int, int] = (40, 768)
    overlaps: bool = True
    retouch: tuple[int, int] | None = None


Prior = Annotated[EnlargerConfig | SketchConfig, Field(discriminator="kind")]


class UNetConfig(BaseModel):
    """Shape of a U-Net. roles: token width of each conditioning role.

    patch: pixels per side that are folded into channels before the first convolution.
    scale: 1 for the base; how many times larger the output is than the low-resolution input for
    an upscaler, which then has no self-attention, so that cost is linear in pixels and tiles
    equal the whole.
    grid: side of the coarsest grid with a learned position, if any.
    prior: what predicts the picture before, so that the network draws what is left, see `Around`.
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
    grid: int | None = None
    prior: Prior | None = None

    @property
    def stride(self) -> int:
        """Pixels per cell of the coarsest grid: sides must be a multiple of it."""
        return int(self.patch * 2 ** (len(self.levels) - 1))

    @property
    def halo(self) -> int:
        """Receptive-field radius of U-Net and enlarger in pixels, rounded up to whole cells of the
        coarsest grid: how far tiles must overlap."""
        radius = 2 * self.patch  # the first and the last convolution
        for i, level in enumerate(self.levels):
            radius += 4 * level.num_blocks * self.patch * 2**i
        if self.middle_depth:
            radius += 2 * self.stride
        if isinstance(self.prior, EnlargerConfig):
            radius += self.scale * (2 + 2 * self.prior.depth)
        return (-(-radius // self.stride) + 1) * self.stride

    @model_validator(mode="before")
    @classmethod
    def _earlier_fields(cls, data: Any) -> Any:
        """Model folders of version 0.1 say `sketch_depth` and the like where there is a prior."""
        if not isinstance(data, dict) or "sketch_depth" not in data:
            return data
        data = dict(data)
        depth = data.pop("sketch_depth")
        base = {name: data.pop(name) for name in ("drawing", "overlaps", "retouch") if name in data}
        if depth and data.get("scale", 1) > 1:
            first = Level.model_validate(data["levels"][0])
            data["prior"] = EnlargerConfig(channels=first.channels, depth=depth)
        elif depth:
            data["prior"] = {"kind": "sketch", "depth": depth, **base}
        return data
