"""What the rooms hand to each other: prompts, stage inputs and progress events.

Shape legend: B pictures, L tokens, D token width, R regions, H x W pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, model_serializer
from torch import Tensor

Pixels = NDArray[np.uint8]
Box = tuple[float, float, float, float]
"""x, y, width, height as shares of the canvas."""

ROLES = ("t5", "clip_text", "clip_image")


@dataclass(frozen=True, eq=False)
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

    def stack(self, other: Tokens) -> Tokens:
        """This batch followed by another, the shorter one padded."""
        states, mask = _cat_padded(self.states, other.states), _cat_padded(self.mask, other.mask)
        return Tokens(states, mask, torch.cat([self.pooled, other.pooled]))


@dataclass(frozen=True)
class RegionForm:
    """How a region's weight w' becomes what is added to Q K^T: w = w' * growth * scale.

    scale: the largest of Q K^T (the paper's), or its standard deviation; growth: log(1 + sigma)
    (the paper's), or log(1 + sigma^2), which fades sooner. placed: beyond the paper, whether a
    base with a text-only prior also puts what a phrase names where it is painted.
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


@dataclass(frozen=True, eq=False)
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

    def none(self, batch: int) -> Regions:
        """Regions of weight 0 that paint nothing, for a batch of that size."""
        return self.map(lambda t: t.new_zeros(batch, *t.shape[1:]))

    def stack(self, other: Regions) -> Regions:
        """This batch followed by another, the fewer regions made up by ones that paint nothing,
        the fewer columns by padding.

        Raises:
            ValueError: they differ in form or window.
        """
        if (self.form, self.window) != (other.form, other.window):
            raise ValueError("only regions of one form and window can be stacked")
        a, b = (
            each.map(lambda t: _padded(t, max(self.num, other.num), dim=1))
            for each in (self, other)
        )
        return replace(
            self,
            masks=torch.cat([a.masks, b.masks]),
            columns={role: _cat_padded(c, b.columns[role], dim=2) for role, c in a.columns.items()},
            weight=torch.cat([a.weight, b.weight]),
        )

    @property
    def num(self) -> int:
        """R."""
        return self.weight.shape[1]


def _padded(t: Tensor, size: int, dim: int) -> Tensor:
    """With zeros behind, up to `size` in that dimension."""
    missing = list(t.shape)
    missing[dim] = size - t.shape[dim]
    return torch.cat([t, t.new_zeros(missing)], dim=dim)


def _cat_padded(a: Tensor, b: Tensor, dim: int = 1) -> Tensor:
    """Two batches as one, the one that is shorter in that dimension padded with zeros."""
    size = max(a.shape[dim], b.shape[dim])
    return torch.cat([_padded(a, size, dim), _padded(b, size, dim)])


@dataclass(frozen=True, eq=False)
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

    def stack(self, other: Prompt) -> Prompt:
        """This batch followed by another with the same roles; regions may be in one only.

        Raises:
            ValueError: the roles differ.
        """
        if self.tokens.keys() != other.tokens.keys():
            raise ValueError("only prompts with the same roles can be stacked")
        mine, theirs = self.regions, other.regions
        if mine is not None or theirs is not None:
            mine = mine or theirs.none(len(self))  # type: ignore[union-attr]
            theirs = theirs or mine.none(len(other))
        return Prompt(
            {role: tokens.stack(other.tokens[role]) for role, tokens in self.tokens.items()},
            {role: torch.cat([keep, other.keep[role]]) for role, keep in self.keep.items()},
            None if mine is None or theirs is None else mine.stack(theirs),
        )


@dataclass(frozen=True, eq=False)
class StageInput:
    """What a denoiser is conditioned on.

    low_res: (B, 3, h, w) in about [-1, 1], already noised once (so that both halves of a guided
    pair see the same noise), and augmentation: (B,) the std of that noise. Both None in the base.
    prior, hint: (B, 3, H, W) and (B, C, h, w), what a denoiser's prior says of the picture and
    its features, see `Around`; None where there is none, or it was not asked yet.
    """

    prompt: Prompt
    low_res: Tensor | None = None
    augmentation: Tensor | None = None
    prior: Tensor | None = None
    hint: Tensor | None = None

    def __len__(self) -> int:
        return len(self.prompt)

    def map(self, fn: Callable[[Tensor], Tensor]) -> StageInput:
        """Apply `fn` to every tensor."""
        own = (self.low_res, self.augmentation, self.prior, self.hint)
        return StageInput(self.prompt.map(fn), *(fn(t) if t is not None else t for t in own))

    def rows(self, index: Sequence[int] | slice) -> StageInput:
        """The pictures of these numbers as a batch of their own."""
        return self.map(lambda t: t[index])

    def to(self, device: torch.device | str) -> StageInput:
        return self.map(lambda t: t.to(device))

    def dropped(self) -> StageInput:
        """The unconditional input: no role is heard; the same low_res, noised as it is."""
        return self.told(self.prompt.dropped())

    def told(self, prompt: Prompt) -> StageInput:
        """The same with another prompt, of which no prior was asked yet."""
        return replace(self, prompt=prompt, prior=None, hint=None)

    def crop(self, window: Window) -> StageInput:
        """The input of the part of the picture that a tile sees."""
        low_res, regions = self.low_res, self.prompt.regions
        if low_res is not None:
            y, x = window.height // low_res.shape[2], window.width // low_res.shape[3]
            rows = slice(window.top // y, window.bottom // y)
            low_res = low_res[:, :, rows, window.left // x : window.right // x]
        if regions is not None:
            regions = replace(regions, window=window)
        prompt = replace(self.prompt, regions=regions)
        return replace(self.told(prompt), low_res=low_res)

    def stack(self, other: StageInput) -> StageInput:
        """This batch followed by another of the same stage: same roles and sizes. What a prior says
        is kept if both have asked it.

        Raises:
            ValueError: they are not of one stage, or their regions not of one form.
        """
        if (self.low_res is None) != (other.low_res is None):
            raise ValueError("only inputs of one stage can be stacked")
        return StageInput(
            self.prompt.stack(other.prompt),
            low_res=_cat(self.low_res, other.low_res),
            augmentation=_cat(self.augmentation, other.augmentation),
            prior=_cat(self.prior, other.prior),
            hint=_cat(self.hint, other.hint),
        )


def _cat(a: Tensor | None, b: Tensor | None) -> Tensor | None:
    return None if a is None or b is None else torch.cat([a, b])


class Denoiser(Protocol):
    """The one protocol: x and x0 (B, 3, H, W) in [-1, 1], sigma (B,) noise std."""

    def __call__(self, x: Tensor, sigma: Tensor, cond: StageInput) -> Tensor: ...


@dataclass(frozen=True)
class Progress:
    """One step of one stage is done.

    preview: (B, 3, h, w), the current guess of x0; expert: the interval of the denoiser that
    answered, as text, where the stage is an ensemble.
    """

    stage: str
    step: int
    num_steps: int
    preview: Tensor
    expert: str | None = None


@dataclass(frozen=True)
class StageDone:
    """A stage has finished. images: (B, 3, H, W) in [-1, 1]."""

    stage: str
    images: Tensor


Event = Progress | StageDone


class DataSource(BaseModel):
    """One source of training pictures and its licence. attribution: the words that the licence
    asks for, left out of JSON where none are known."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    licence: str
    pictures: int
    attribution: str = ""

    @model_serializer(mode="wrap")
    def _without_nothing(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields: dict[str, Any] = serialize(self)
        return {name: value for name, value in fields.items() if name != "attribution" or value}
