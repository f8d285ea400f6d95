"""Reference pictures: one or several, with weights, as one `clip_image` embedding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from PIL import Image

from ediffi.core.errors import UserError
from ediffi.core.pictures import Picture, open_picture
from ediffi.core.types import Tokens
from ediffi.encoders.clip import ClipImageEncoder


@dataclass(frozen=True)
class Style:
    """The look of some pictures, RGB; the weights are above 0 and need not add up to 1.

    >>> Style.of("sketch.png", ("poster.png", 0.5))     # doctest: +SKIP
    """

    pictures: tuple[Image.Image, ...]
    weights: tuple[float, ...]

    @classmethod
    def of(cls, *pictures: Picture | tuple[Picture, float]) -> Style:
        """Pictures, each alone or with its weight (1 if it has none).

        Raises:
            UserError: no picture, one that cannot be used, or a weight that is not above 0.
        """
        pairs = [p if isinstance(p, tuple) else (p, 1.0) for p in pictures]
        if not pairs:
            raise UserError("a style needs at least one picture")
        for _, weight in pairs:
            if not 0 < weight < float("inf"):
                raise UserError(f"the weight of a reference is {weight:g}: it must be above 0")
        opened = tuple(open_picture(picture) for picture, _ in pairs)
        return cls(opened, tuple(float(weight) for _, weight in pairs))


def encode_styles(encoder: ClipImageEncoder, styles: Sequence[Style | None]) -> Tokens:
    """states (B, 1, D), mask (B, 1), pooled (B, D); zeros where there is none.

    Of several pictures: the weighted mean of their embeddings' directions, at the weighted mean of
    their lengths.
    """
    means = {id(style): _mean(encoder, style) for style in styles if style is not None}
    rows = [means.get(id(style)) for style in styles]
    width = next(len(row) for row in rows if row is not None)
    embeds = torch.stack([torch.zeros(width) if row is None else row for row in rows])
    return Tokens(embeds[:, None], torch.ones(len(rows), 1, dtype=torch.bool), embeds)


def _mean(encoder: ClipImageEncoder, style: Style) -> torch.Tensor:
    embeds = encoder.encode(style.pictures).pooled
    if len(embeds) == 1:
        return embeds[0]
    weights = torch.tensor(style.weights)[:, None] / sum(style.weights)
    direction = F.normalize((weights * F.normalize(embeds, dim=1)).sum(0), dim=0)
    return direction * (weights * embeds.norm(dim=1, keepdim=True)).sum()
