"""Where things are, and what training shows of it: as if a person had painted, often roughly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter
from torch import Tensor

from ediffi.core.types import Box, Prompt, Regions, Things
from ediffi.data.collection import Collection
from ediffi.encoders.prompt import EncodesText
from ediffi.networks import LAYERS, MARGIN
from ediffi.paint.spans import columns_of

SIDE = 32  # of masks: twice the finest grid with attention
NUM = 6  # phrases of a picture that have masks, things before what is behind them
WEIGHTS = (0.1, 1.0)  # least and largest w' of a painting
THING, REST = 0.85, 0.3  # how often a painting has a thing, and what is behind things
KINDS = ("exact", "box", "blob", "scribble")

Mask = NDArray[np.uint8]


@dataclass(frozen=True)
class _Phrases:
    """Of one caption, at most NUM. masks: (NUM, SIDE, SIDE) uint8, empty where there are fewer;
    columns[role]: (phrases, L) bool; parts: the things, at most LAYERS, each as the phrase that
    names it, its box and its number in the picture."""

    masks: Mask
    things: tuple[bool, ...]
    columns: dict[str, Tensor]
    parts: tuple[tuple[int, Box, int], ...]


class Masks:
    """Where the phrases of a collection's captions are, and what they name looks like by itself,
    found once and kept. side: of the drawings."""

    def __init__(
        self, collection: Collection, encoders: Mapping[str, EncodesText], side: int
    ) -> None:
        self.collection, self.side = collection, side
        self.encoders = {role: e for role, e in encoders.items() if role != "clip_image"}
        self._kept: dict[tuple[int, int], _Phrases] = {}
        self._drawings: dict[tuple[int, int], Tensor] = {}

    def regions(
        self,
        pictures: Sequence[tuple[int, int]],
        captions: Sequence[str],
        prompt: Prompt,
        seeds: Sequence[int],
        share: float,
    ) -> tuple[Things, Regions]:
        """Of B pictures: where their things are, and what of it the network is shown as painted.

        pictures: number of each and which of its captions is read; prompt: of the captions;
        share: of pictures that are shown masks, all of it by their seeds. Shown masks are exact,
        or as rough as `rough` makes them, some are missing, and w' is log-uniform in WEIGHTS.
        """
        found = [self._phrases(*key) for key in zip(pictures, captions, strict=True)]
        painted = [
            _painted(phrases, seed, share) for phrases, seed in zip(found, seeds, strict=True)
        ]
        columns = {role: self._columns(role, found, prompt) for role in self.encoders}
        weight = torch.tensor([weights for _, weights in painted])
        shown = Regions(_scaled([masks for masks, _ in painted]), columns, weight)
        return self._things([number for number, _ in pictures], found, columns), shown

    def _phrases(self, picture: tuple[int, int], caption: str) -> _Phrases:
        if picture not in self._kept:
            named = self.collection.phrases(*picture, SIDE)[:NUM]
            masks = np.zeros((NUM, SIDE, SIDE), np.uint8)
            for mask, phrase in zip(masks, named, strict=False):
                mask[:] = np.rint(255 * phrase.mask)
            spans = [phrase.span for phrase in named]
            self._kept[picture] = _Phrases(
                masks,
                tuple(phrase.thing for phrase in named),
                {
                    r: columns_of(e.offsets(caption), caption, spans)
                    for r, e in self.encoders.items()
                },
                tuple(
                    (n, box, part)
                    for n, phrase in enumerate(named)
                    for box, part in zip(phrase.boxes, phrase.parts, strict=True)
                )[:LAYERS],
            )
        return self._kept[picture]

    def _things(
        self, numbers: Sequence[int], found: Sequence[_Phrases], columns: Mapping[str, Tensor]
    ) -> Things:
        boxes = torch.ones(len(found), LAYERS, 4) / 2  # of any size: nothing is there
        there = torch.zeros(len(found), LAYERS, dtype=torch.bool)
        owner = torch.zeros(len(found), LAYERS, dtype=torch.long)
        drawings = torch.zeros(len(found), LAYERS, 4, self.side, self.side)
        for row, (number, phrases) in enumerate(zip(numbers, found, strict=True)):
            for layer, (phrase, box, part) in enumerate(phrases.parts):
                boxes[row, layer] = torch.tensor(box)
                there[row, layer], owner[row, layer] = True, phrase
                drawings[row, layer] = self._drawing(number, part).float() / 255
        drawings[:, :, :3] = 2 * drawings[:, :, :3] - drawings[:, :, 3:]
        rows = torch.arange(len(found))[:, None]
        own = {role: c[rows, owner] & there[..., None] for role, c in columns.items()}
        return Things(boxes, there, own, drawings)

    def _drawing(self, number: int, part: int) -> Tensor:
        """(4, side, side) uint8."""
        if (number, part) not in self._drawings:
            pixels = self.collection.drawing(number, part, self.side, MARGIN)
            self._drawings[number, part] = torch.from_numpy(pixels).permute(2, 0, 1).contiguous()
        return self._drawings[number, part]

    @staticmethod
    def _columns(role: str, found: Sequence[_Phrases], prompt: Prompt) -> Tensor:
        """(B, NUM, L) bool; none where the role is dropped."""
        length = prompt.tokens[role].mask.shape[1]
        columns = torch.zeros(len(found), NUM, length, dtype=torch.bool)
        for rows, phrases in zip(columns, found, strict=True):
            ours = phrases.columns[role]
            rows[: ours.shape[0], : ours.shape[1]] = ours
        return columns & prompt.keep[role][:, None, None]


def _painted(phrases: _Phrases, seed: int, share: float) -> tuple[Mask, list[float]]:
    """What one picture is shown: masks (NUM, SIDE, SIDE), and the weight of each."""
    rng = Random(f"masks:{seed}")
    masks, weights = np.zeros_like(phrases.masks), [0.0] * NUM
    if rng.random() >= share:
        return masks, weights
    least, largest = WEIGHTS
    weight = least * (largest / least) ** rng.random()
    kind = rng.choice(KINDS)  # who paints roughly paints everything so
    for n, thing in enumerate(phrases.things):
        if rng.random() < (THING if thing else REST):
            masks[n] = rough(phrases.masks[n], kind, rng) if thing else phrases.masks[n]
            weights[n] = weight
    return masks, weights


def rough(mask: Mask, kind: str, rng: Random) -> Mask:
    """The mask of a thing as a person may paint it; kind: one of KINDS.

    mask: (side, side) uint8, 255 where the thing is. A box or a scribble fills its bounding box,
    sides moved by up to 15 % of it; a blob is the mask blurred and grown.
    """
    side = len(mask)
    rows, columns = (np.flatnonzero((mask > 127).any(axis)) for axis in (1, 0))
    if kind == "exact" or not len(rows):
        return mask
    image = Image.new("L", (side, side))
    if kind == "blob":
        reach = rng.uniform(0.02, 0.08) * side
        level = rng.randint(25, 130)
        soft = Image.fromarray(mask).filter(ImageFilter.GaussianBlur(reach))
        return np.asarray(soft.point([255 * (value > level) for value in range(256)]))
    height, width = len(rows), len(columns)
    left, right = (float(x) + rng.uniform(-0.15, 0.15) * width for x in (columns[0], columns[-1]))
    top, bottom = (float(y) + rng.uniform(-0.15, 0.15) * height for y in (rows[0], rows[-1]))
    pen = ImageDraw.Draw(image)
    if kind == "box":
        pen.rectangle((min(left, right), min(top, bottom), max(left, right), max(top, bottom)), 255)
        return np.asarray(image)
    turns = rng.randint(3, 6)
    ends = [(left, right)[n % 2] + rng.uniform(-0.1, 0.1) * width for n in range(turns + 1)]
    downs = [top + (bottom - top) * n / turns for n in range(turns + 1)]
    pen.line(list(zip(ends, downs, strict=True)), 255, rng.randint(2, 3))
    return np.asarray(image)


def _scaled(masks: Sequence[Mask]) -> Tensor:
    """(B, NUM, SIDE, SIDE) in [0, 1]."""
    return torch.from_numpy(np.stack(masks)).float() / 255
