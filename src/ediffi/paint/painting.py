"""Painted phrases of a prompt, and what the networks are told of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ediffi.core.errors import UserError
from ediffi.core.types import Prompt, RegionForm, Regions
from ediffi.encoders import check_prompt
from ediffi.encoders.prompt import Encoder
from ediffi.language import Tracked, Understood
from ediffi.paint.maps import Coverage
from ediffi.paint.phrases import find_understood, follow, tidy_span
from ediffi.paint.spans import Span, token_columns

SIDE = 256  # of the masks that networks are given
MAX_REGIONS = 64
MAX_WEIGHT = 100.0
# the first weights fill regions like stencils at 1, and hardly notice them at 0.1
DEFAULT_WEIGHT = 0.5


@dataclass(frozen=True)
class Region:
    """A phrase of the prompt and where it belongs.

    phrase: words of the prompt, or span: its characters [start, end), where a phrase stands twice.
    mask: (H, W) square, in [0, 1] or bool. weight: beside other regions, see `Painting`.
    negative: another phrase of the prompt, to be kept out of the mask with the same weight.
    """

    mask: NDArray[np.float32] | NDArray[np.bool_]
    phrase: str | None = None
    span: Span | None = None
    weight: float = 1.0
    negative: str | None = None

    @property
    def name(self) -> str:
        return repr(self.phrase) if self.phrase is not None else f"the span {list(self.span or ())}"


@dataclass(frozen=True)
class Painting:
    """All that is painted for one prompt.

    weight: the paper's w', which those of the regions multiply; coverage: of the map it was read
    from, if it was.
    """

    regions: tuple[Region, ...]
    weight: float = DEFAULT_WEIGHT
    form: RegionForm = field(default_factory=RegionForm)
    coverage: Coverage | None = None

    def described(self) -> dict[str, Any]:
        """What a picture's file says of it."""
        regions = [
            {
                "phrase": region.phrase,
                "span": region.span,
                "weight": region.weight,
                "negative": region.negative,
                "share": round(float(np.mean(region.mask)), 4),
            }
            for region in self.regions
        ]
        return {"regions": regions, "painting": {"weight": self.weight, **asdict(self.form)}}


@dataclass(frozen=True)
class Placed:
    """A span of a tidy prompt, what it is painted on (SIDE, SIDE), and its weight."""

    span: Span
    mask: Tensor
    weight: float


@dataclass(frozen=True)
class Placement:
    """A painting whose phrases are found in its prompt."""

    regions: tuple[Placed, ...]
    form: RegionForm


def place(prompt: str, painting: Painting, understood: Understood | None = None) -> Placement:
    """Every region's phrase found in what the model reads of a prompt; a phrase painted twice with
    one weight is one.

    prompt: as it was typed, which spans count in; understood: what was made of it, if anything.

    Raises:
        UserError: a phrase that is not there or not unique, an empty mask, a bad weight, or more
            than 64 regions.
    """
    if not 0 < len(painting.regions) <= MAX_REGIONS:
        raise UserError(
            f"{len(painting.regions)} regions are painted: 1 to {MAX_REGIONS} are possible"
        )
    if understood is None:
        tidy = check_prompt(prompt)
        understood = Understood(tidy, Tracked.of(tidy))
    masks: dict[tuple[Span, float], Tensor] = {}
    for region in painting.regions:
        weight = painting.weight * region.weight
        if not 0 <= weight <= MAX_WEIGHT:
            raise UserError(f"the weight of {region.name} is {weight:g}: 0 to {MAX_WEIGHT:g}")
        mask = _network_mask(region)
        if region.span is not None:
            spans = [(follow(understood, tidy_span(prompt, region.span)), weight)]
        else:
            spans = [(find_understood(understood, region.phrase or ""), weight)]
        if region.negative is not None:
            spans.append((find_understood(understood, region.negative), -weight))
        for key in spans:
            masks[key] = torch.maximum(masks[key], mask) if key in masks else mask
    placed = (Placed(span, mask, weight) for (span, weight), mask in masks.items())
    return Placement(tuple(placed), painting.form)


def paint(
    prompt: Prompt,
    encoders: Mapping[str, Encoder],
    texts: Sequence[str],
    placements: Sequence[Placement | None],
) -> Prompt:
    """The encoded prompt of B tidy texts with what is painted for each.

    Raises:
        UserError: a phrase that no encoder reads, or paintings of two forms.
    """
    forms = {placement.form for placement in placements if placement}
    if not forms:
        return prompt
    if len(forms) > 1:
        raise UserError("all prompts drawn together need the same form of painting")
    placed = [placement.regions if placement else () for placement in placements]
    columns = token_columns(encoders, prompt, texts, [[p.span for p in row] for row in placed])
    most = max(len(row) for row in placed)
    masks = torch.zeros(len(texts), most, SIDE, SIDE)
    weight = torch.zeros(len(texts), most)
    for i, row in enumerate(placed):
        for j, region in enumerate(row):
            if not any(marked[i, j].any() for marked in columns.values()):
                raise UserError(
                    f"{texts[i][slice(*region.span)]!r} stands behind the part of the prompt that "
                    "is read: shorten the prompt"
                )
            masks[i, j], weight[i, j] = region.mask, region.weight
    return replace(prompt, regions=Regions(masks, columns, weight, forms.pop()))


def _network_mask(region: Region) -> Tensor:
    mask = torch.as_tensor(np.asarray(region.mask, np.float32))
    if mask.ndim != 2 or mask.shape[0] != mask.shape[1]:
        raise UserError(f"the mask of {region.name} is {tuple(mask.shape)}: a square is needed")
    if not (mask >= 0).all() or not (mask <= 1).all():
        raise UserError(f"the mask of {region.name} leaves [0, 1]")
    if not mask.any():
        raise UserError(f"the mask of {region.name} is empty: paint something, or leave it out")
    return F.interpolate(mask[None, None], (SIDE, SIDE), mode="bilinear", antialias=True)[0, 0]
