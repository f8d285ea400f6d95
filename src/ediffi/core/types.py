"""What the rooms hand to each other: prompts, stage inputs and progress events.

Shape legend: B pictures, L tokens, D token width, R regions, H x W pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from torch import Tensor

Pixels = NDArray[np.uint8]
Box = tuple[float, float, float, float]
"""x, y, width, height as shares of the canvas."""

ROLES = ("t5", "clip_text", "clip_image")


@dataclass(frozen=True)
class Tokens:
    """What one encoder says about B prompts.

    states: (B, L, D) token states; mask: (B, L) bool, True where a token is real;
    pooled: (B, D), one vector for the whole prompt.
    """

    states: Tensor
    mask: Tensor
    pooled: Tensor

    def map(self, fn: Callable[[Tensor], Tensor]) -> Tokens:
        return Tokens(fn(self.states), fn(self.mask), fn(self.pooled))


@dataclass(frozen=True)
class RegionForm:
    """How a region's weight w' becomes what is added to Q K^T: w = w' * growth * scale.

    scale: the largest of Q K^T (the paper's), or its standard deviation; growth: log(1 + sigma)
    (the paper's), or log(1 + sigma^2), which fades sooner. placed: beyond the paper, whether a
    sketch also puts what a painted phrase names where it is painted.
    """

    scale: Literal["max", "std"] = "max"
    growth: Literal["sigma", "sigma-squared"] = "sigma"
    placed: bool = True


@dataclass(frozen=True)
class Window:
    """The part of a height x width picture that a network is given: pixels, ends not included."""

    top: int
    bottom: int
    left: int
    right: int
    height: int
    width: int


@dataclass(frozen=True)
class Regions:
    """Painted phrases. masks: (B, R, H, W) in [0, 1], of the whole picture, at any resolution;
    columns[role]: (B, R, L) bool, the tokens of each region's phrase; weight: (B, R), the paper's
    w', below 0 to keep a phrase away. window: None where the network sees the whole picture."""

    masks: Tensor
    columns: dict[str, Tensor]
    weight: Tensor
    form: RegionForm = RegionForm()
    window: Window | None = None

    def map(self, fn: Callable[[Tensor], Tensor]) -> Regions:
        columns = {role: fn(c) for role, c in self.columns.items()}
        return replace(self, masks=fn(self.masks), columns=columns, weight=fn(self.weight))


@dataclass(frozen=True)
class Things:
    """Where the things of B pictures are, which training may know: K at most, in the order in which
    the captions name them. boxes: (B, K, 4) x, y, width, height, shares of the canvas;
    there: (B, K) bool, whether there are so many; columns[role]: (B, K, L) bool, the tokens of each
    thing's phrase; drawings: (B, K, 4, S, S), each by itself, stretched over a square: colours in
    [-1, 1], multiplied by alpha, and alpha."""

    boxes: Tensor
    there: Tensor
    columns: dict[str, Tensor]
    drawings: Tensor

    def map(self, fn: Callable[[Tensor], Tensor]) -> Things:
        columns = {role: fn(c) for role, c in self.columns.items()}
        return Things(fn(self.boxes), fn(self.there), columns, fn(self.drawings))


@dataclass(frozen=True)
class Prompt:
    """Everything B pictures are conditioned on, by role.

    tokens[role]: see `Tokens`; a role may be missing, which equals keep = False.
    keep[role]: (B,) bool. False replaces the role by the network's learned null token: training
    dropout, `--use t5` and the unconditional half of guidance are all this one flag.
    """

    tokens: dict[str, Tokens]
    keep: dict[str, Tensor]
    regions: Regions | None = None

    def __len__(self) -> int:
        return len(next(iter(self.keep.values())))

    def map(self, fn: Callable[[Tensor], Tensor]) -> Prompt:
        """Apply `fn` to every tensor (index the batch, repeat it, move it to a device)."""
        return Prompt(
            {role: tokens.map(fn) for role, tokens in self.tokens.items()},
            {role: fn(keep) for role, keep in self.keep.items()},
            self.regions.map(fn) if self.regions else None,
        )

    def only(self, roles: Collection[str]) -> Prompt:
        """The prompt with every other role off."""
        return replace(self, tokens={r: t for r, t in self.tokens.items() if r in roles})

    def without(self, role: str) -> Prompt:
        """The prompt with this role off, its tensors still there to be stacked with the others'."""
        return replace(self, keep={**self.keep, role: torch.zeros_like(self.keep[role])})

    def dropped(self) -> Prompt:
        """The unconditional prompt: every role off, no regions."""
        keep = {role: torch.zeros_like(keep) for role, keep in self.keep.items()}
        return replace(self, keep=keep, regions=None)


@dataclass(frozen=True)
class StageInput:
    """What a denoiser is conditioned on.

    low_res: (B, 3, h, w) in about [-1, 1], already noised once (so that both halves of a guided
    pair see the same noise), and augmentation: (B,) the std of that noise. Both None in the base.
    things: where they are, told in training only.
    memo: what a network or a wrapper computed once from this input, e.g. text keys and values.
    """

    prompt: Prompt
    low_res: Tensor | None = None
    augmentation: Tensor | None = None
    things: Things | None = None
    memo: dict[Any, Any] = field(default_factory=dict, compare=False, repr=False)

    def map(self, fn: Callable[[Tensor], Tensor]) -> StageInput:
        return StageInput(
            self.prompt.map(fn),
            None if self.low_res is None else fn(self.low_res),
            None if self.augmentation is None else fn(self.augmentation),
            None if self.things is None else self.things.map(fn),
        )


class Denoiser(Protocol):
    """The one protocol: x and x0 (B, 3, H, W) in [-1, 1], sigma (B,) noise std."""

    def __call__(self, x: Tensor, sigma: Tensor, cond: StageInput) -> Tensor: ...


@dataclass(frozen=True)
class Progress:
    """One step of one stage is done. preview: (B, 3, h, w), the current guess of x0."""

    stage: str
    step: int
    num_steps: int
    preview: Tensor


@dataclass(frozen=True)
class StageDone:
    """A stage has finished. images: (B, 3, H, W) in [-1, 1]."""

    stage: str
    images: Tensor


Event = Progress | StageDone


class DataSource(BaseModel):
    """One source of training pictures and its licence."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    licence: str
    pictures: int
