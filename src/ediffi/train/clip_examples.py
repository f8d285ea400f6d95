"""What a CLIP is shown: composed pictures, words for them, and which words fit which pictures."""

from __future__ import annotations

import hashlib
import io
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ediffi.core.files import make_folder, replace_all
from ediffi.core.pixels import from_uint8
from ediffi.diffusion import stable_hash
from ediffi.pictogram.captions import STYLES, tells_style
from ediffi.pictogram.composer import Composer
from ediffi.pictogram.grammar import article, indefinite
from ediffi.pictogram.scene import Scene
from ediffi.train.clip_config import ClipConfig

MAX_SHIFT, MIN_SCALE, MAX_SCALE = 0.06, 0.85, 1.05  # of crops, as shares of the side
# radians; of numbers in [-1, 1]: little, since a style is also its palette
MAX_HUE, MAX_GAIN, MAX_BIAS, MAX_NOISE = 0.05, 0.03, 0.02, 0.03


@dataclass(frozen=True)
class Shown:
    """One picture's words. concepts: hexcodes of its things, sorted; captions: (text, whether it
    tells the style)."""

    concepts: tuple[str, ...]
    style: str
    captions: tuple[tuple[str, bool], ...]


@dataclass(frozen=True)
class ClipBatch:
    """images: (B, 3, S, S) in [-1, 1]; captions: B; concepts: (B, C), shares that sum to 1;
    style: (B,); things: (B,), equal where the same things are shown; styled: (B,), whether the
    caption tells the style."""

    images: Tensor
    captions: list[str]
    concepts: Tensor
    style: Tensor
    things: Tensor
    styled: Tensor
    uniforms: None = None

    def __len__(self) -> int:
        return len(self.images)

    def to(self, device: torch.device | str) -> ClipBatch:
        moved: dict[str, Any] = {
            k: v.to(device) for k, v in vars(self).items() if isinstance(v, Tensor)
        }
        return replace(self, **moved)

    def split(self, parts: int) -> list[ClipBatch]:
        return [self]


def describe(scene: Scene) -> Shown:
    """The words of a scene: its captions, and short ones that people type."""
    style = scene.items[0].style
    texts = [caption.text for caption in scene.captions] + list(_short(scene))
    concepts = tuple(sorted({item.hexcode for item in scene.items}))
    return Shown(concepts, style, tuple((text, tells_style(text, style)) for text in texts))


def _short(scene: Scene) -> tuple[str, str]:
    """The bare things, and the things with their style."""
    rng = Random(f"short:{scene.index}")
    labels = list(dict.fromkeys(item.label for item in scene.items))
    names, phrases = STYLES[scene.items[0].style]
    name = rng.choice(names)
    full = " and ".join(article(label) for label in labels)
    bare = rng.choice((", ".join(labels), full, f"a drawing of {full}"))
    styled = rng.choice((f"{full} {rng.choice(phrases)}", f"{indefinite(name)} {name} of {full}"))
    return bare, styled


class ClipExamples:
    """The batches of a run: picture i of epoch e is a function of the config alone.

    The pictures are composed once, and kept in `folder` for the next time.
    """

    def __init__(
        self,
        config: ClipConfig,
        composer: Composer,
        folder: Path,
        report: Callable[[int, int], None] = lambda more, total: None,
    ) -> None:
        """report: told (how many more scenes are composed, of how many)."""
        self.config, self.composer = config, composer
        self.pictures, self.shown = _composed(config, composer, folder, report)
        self.concepts = sorted({cell.hexcode for cell in composer.cells})
        self.styles = sorted({cell.style for cell in composer.cells})
        place = {hexcode: number for number, hexcode in enumerate(self.concepts)}
        self._places = [[place[h] for h in shown.concepts] for shown in self.shown]
        self._style = torch.tensor([self.styles.index(shown.style) for shown in self.shown])
        sets = {things: n for n, things in enumerate(sorted({s.concepts for s in self.shown}))}
        self._things = torch.tensor([sets[shown.concepts] for shown in self.shown])
        self._order = lru_cache(maxsize=2)(self._shuffled)

    def batch(self, start: int, *, rank: int = 0, world: int = 1) -> ClipBatch:
        """Images start .. start + batch_size - 1 of the run; whole, since each picture is told
        from all others."""
        config = self.config
        indices = range(start, start + config.schedule.batch_size)
        rows = [int(self._order(i // config.num_scenes)[i % config.num_scenes]) for i in indices]
        some = config.captioned
        said = [self._caption(row, i) for row, i in zip(rows[:some], indices, strict=False)]
        concepts = torch.zeros(len(rows), len(self.concepts))
        for number, row in enumerate(rows):
            concepts[number, self._places[row]] = 1 / len(self._places[row])
        generator = torch.Generator().manual_seed(stable_hash(config.seed, start) % 2**62)
        return ClipBatch(
            images=varied(from_uint8(self.pictures[rows]), generator),
            captions=[text for text, _ in said],
            concepts=concepts,
            style=self._style[rows],
            things=self._things[rows],
            styled=torch.tensor([styled for _, styled in said]),
        )

    def sample(self, num: int) -> Tensor:
        """The first pictures as they are, (N, 3, S, S) in [-1, 1]."""
        return from_uint8(self.pictures[:num])

    def _caption(self, row: int, index: int) -> tuple[str, bool]:
        captions = self.shown[row].captions
        return captions[stable_hash(self.config.seed, "caption", index) % len(captions)]

    def _shuffled(self, epoch: int) -> Tensor:
        """All scenes, `group` neighbours with the same (first) thing where there are so many."""
        config = self.config
        generator = torch.Generator().manual_seed(stable_hash(config.seed, "epoch", epoch) % 2**62)
        order = torch.randperm(config.num_scenes, generator=generator)
        first = torch.tensor([places[0] for places in self._places])
        order = order[first[order].argsort(stable=True)].view(-1, config.group)
        return order[torch.randperm(len(order), generator=generator)].flatten()


def varied(images: Tensor, generator: torch.Generator) -> Tensor:
    """(B, 3, S, S) in [-1, 1], each moved, scaled, tinted and made noisy a little."""
    size, side = len(images), images.shape[-1]
    shift = (2 * torch.rand(size, 1, 1, 2, generator=generator) - 1) * 2 * MAX_SHIFT
    scale = MIN_SCALE + (MAX_SCALE - MIN_SCALE) * torch.rand(size, 1, 1, 1, generator=generator)
    line = (torch.arange(side) + 0.5) * 2 / side - 1
    places = torch.stack(torch.meshgrid(line, line, indexing="xy"), dim=-1)
    where = torch.addcmul(shift, places, scale)
    images = F.grid_sample(images, where, padding_mode="reflection", align_corners=False)
    hue, gain, bias, noise = torch.rand(4, size, generator=generator)
    turn = _hue_turns((2 * hue - 1) * MAX_HUE) * (1 + (2 * gain - 1) * MAX_GAIN)[:, None, None]
    images = torch.einsum("bij,bjhw->bihw", turn, images)
    images = images + ((2 * bias - 1) * MAX_BIAS)[:, None, None, None]
    noise = (noise**2 * MAX_NOISE)[:, None, None, None]
    grain = 2 * torch.rand(images.shape, generator=generator) - 1
    return torch.addcmul(images, noise, grain).clamp_(-1, 1)


def _hue_turns(angles: Tensor) -> Tensor:
    """(B,) radians -> (B, 3, 3): turns of RGB about the axis of greys (Rodrigues)."""
    cos, sin = angles.cos()[:, None, None], angles.sin()[:, None, None]
    third = torch.full((3, 3), 1 / 3)
    cross = torch.tensor([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]]) / math.sqrt(3)
    return cos * torch.eye(3) + (1 - cos) * third + sin * cross


def _composed(
    config: ClipConfig,
    composer: Composer,
    folder: Path,
    report: Callable[[int, int], None],
) -> tuple[NDArray[np.uint8], Sequence[Shown]]:
    """Pictures (N, S, S, 3) and their words, from the folder if they are there."""
    facts: list[Any] = [config.side, config.num_scenes, config.scenes.model_dump(mode="json")]
    facts += [composer.grid.fingerprint, sorted(composer.words.items())]
    name = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]
    pixels, words = folder / f"scenes-{name}.npy", folder / f"scenes-{name}.json"
    if not words.is_file():
        pictures = np.empty((config.num_scenes, config.side, config.side, 3), np.uint8)
        shown = []
        for number in range(config.num_scenes):
            scene = composer.scene(number)
            pictures[number] = composer.render(scene, config.side)
            shown.append(describe(scene))
            report(1, config.num_scenes)
        rows = [[s.concepts, s.style, s.captions] for s in shown]
        make_folder(folder)
        replace_all({pixels: _npy(pictures), words: json.dumps(rows).encode()})
    rows = json.loads(words.read_text())
    shown = [Shown(tuple(c), s, tuple((t, bool(b)) for t, b in said)) for c, s, said in rows]
    return np.load(pixels), shown


def _npy(array: NDArray[np.uint8]) -> bytes:
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()
