"""Training examples: each a pure function of (recipe, global image index)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ediffi.core.types import ROLES, Prompt, Regions, StageInput, Tokens
from ediffi.data.collection import Collection, phrases
from ediffi.data.degradations import degrade
from ediffi.data.order import windowed
from ediffi.diffusion import gaussian, stable_hash, stratified_uniforms
from ediffi.encoders import CachedText, EncoderSpec
from ediffi.encoders.cache import Halves, pad
from ediffi.encoders.clip import ClipImageEncoder
from ediffi.encoders.prompt import Encoder
from ediffi.paint.spans import columns_of
from ediffi.pictogram.captions import tells_style
from ediffi.train.config import Recipe
from ediffi.train.kept import BLOCK, Caption, Example, Kept
from ediffi.train.masks import NUM, SIDE, paintings
from ediffi.train.objective import Batch
from ediffi.train.parallel import Ranks
from ediffi.train.recipes import resolution
from ediffi.train.references import reference_of

CROP = 256  # side that upscalers train on
WINDOW = 8  # blocks whose pictures are mixed
SAMPLE = 128  # scenes whose captions stand for how captions are written


class Examples:
    """The batches of one stage. Image i is picture i % num_pictures of epoch i // num_pictures,
    with its own noise: that one number is where a run is in its data. Each epoch shows every
    picture once, the first in their order, later ones in a shuffled order of their own.

    Args:
        encoders: by role; `clip_image`'s is a `ClipImageEncoder`, or embeddings stored by name.
        folder: where examples are kept; workers: see `Kept`.
    """

    def __init__(
        self,
        config: Recipe,
        collection: Collection,
        encoders: Mapping[str, Encoder],
        *,
        folder: Path,
        workers: int = 0,
    ) -> None:
        self.config, self.collection, self.encoders = config, collection, encoders
        self.texts: dict[str, Any] = {r: e for r, e in encoders.items() if r != "clip_image"}
        name = _name(config, collection, self.encoders)
        self.kept = Kept(folder / name, self.make, config.data.num_pictures, workers=workers)
        self._order = lru_cache(maxsize=2)(self._shuffled)

    def prepare(self, ranks: Ranks) -> Iterator[tuple[int, int]]:
        """Several ranks make what they have not kept yet before they train; one alone makes it
        ahead of its training. Yields (done, total) blocks."""
        if ranks.world > 1:
            yield from self.kept.make_missing(ranks)

    def batch(self, start: int, *, rank: int = 0, world: int = 1) -> Batch:
        """Images start .. start + batch_size - 1 of the run, or the part of them that is `rank`'s
        among `world` processes."""
        config, data = self.config, self.config.data
        indices = range(start, start + config.schedule.batch_size)[rank::world]
        rounds = [i // data.num_pictures for i in indices]
        numbers = [int(self._order(i // data.num_pictures)[i % data.num_pictures]) for i in indices]
        shown = [self.kept[n] for n in numbers]
        seeds = [stable_hash(config.seed, i) for i in indices]
        clean = torch.stack([e.pixels for e in shown]).float() / 127.5 - 1
        keep = self._keep(seeds)
        captions = [
            self._caption(example, turn, seen)
            for example, turn, seen in zip(shown, rounds, keep["clip_image"].tolist(), strict=True)
        ]
        tokens = {r: pad([c.tokens[r] for c in captions]) for r in self.texts}
        if "clip_image" in self.encoders:
            tokens["clip_image"] = self._references(numbers, seeds, keep)
        uniforms = stratified_uniforms(torch.tensor(indices), config.seed)
        prompt = Prompt(tokens, keep, self._regions(captions, tokens, keep, seeds))
        return Batch(
            clean=clean,
            noise=gaussian(seeds, tuple(clean.shape[1:]), "noise"),
            sigma=config.noise.sample(uniforms).float(),
            uniforms=uniforms,
            cond=self._input(prompt, clean, seeds),
        )

    def _shuffled(self, epoch: int) -> NDArray[np.int64]:
        numbers = np.arange(self.config.data.num_pictures)
        if not epoch:
            return numbers
        blocks = np.split(numbers, range(BLOCK, len(numbers), BLOCK))
        return windowed(blocks, WINDOW, stable_hash(self.config.seed, "epoch", epoch))

    def _input(self, prompt: Prompt, clean: Tensor, seeds: list[int]) -> StageInput:
        """With the degraded and noised low-resolution picture, in an upscaler."""
        config = self.config
        if config.network.scale == 1:
            return StageInput(prompt)
        low_res = degrade(clean, config.network.scale, seeds)
        augmentation = _draws(seeds, "augmentation") * config.data.max_augmentation
        noise = gaussian(seeds, tuple(low_res.shape[1:]), "low_res")
        return StageInput(prompt, low_res + augmentation[:, None, None, None] * noise, augmentation)

    def _keep(self, seeds: list[int]) -> dict[str, Tensor]:
        """Which roles are heard; each dropped independently, as in the paper (sec. 3)."""
        keep = {role: torch.zeros(len(seeds), dtype=torch.bool) for role in ROLES}
        for role in self.encoders:
            keep[role] = _draws(seeds, role) >= self.config.data.dropout[role]
        return keep

    def _caption(self, example: Example, turn: int, shown: bool) -> Caption:
        """Which caption is read, one after the other in each round.

        Where a reference shows the style the text does not tell it; elsewhere it does, so that
        text which tells none means the usual style: as far as there are such captions.
        """
        scenes, fit = self.config.data.scenes, list(example.captions)
        usual = scenes.styles[0] if scenes is not None else None
        if example.style is not None and (shown or example.style != usual):
            fit = [c for c in fit if c.tells_style != shown] or fit
        return fit[turn % len(fit)]

    def _references(
        self, numbers: Sequence[int], seeds: list[int], keep: dict[str, Tensor]
    ) -> Tokens:
        heard = zip(
            keep["clip_image"].tolist(), (keep["t5"] | keep["clip_text"]).tolist(), strict=True
        )
        other = self.config.data.other_reference
        rows = [
            reference_of(self.kept, number, seed, seen=seen, text=text, other=other)
            for number, seed, (seen, text) in zip(numbers, seeds, heard, strict=True)
        ]
        return pad([row for row in rows if row is not None])

    def _regions(
        self,
        captions: Sequence[Caption],
        tokens: dict[str, Tokens],
        keep: dict[str, Tensor],
        seeds: list[int],
    ) -> Regions | None:
        """What the network is shown as painted, see `paintings`."""
        share = self.config.data.shown_masks
        if not share:
            return None
        painted = [
            paintings(c.masks, c.things, seed, share)
            for c, seed in zip(captions, seeds, strict=True)
        ]
        columns = {}
        for role in self.texts:
            marks = torch.zeros(tokens[role].mask.shape, dtype=torch.uint8)
            for row, caption in zip(marks, captions, strict=True):
                row[: len(caption.marks[role])] = torch.from_numpy(caption.marks[role])
            bits = (marks[:, None] >> torch.arange(NUM, dtype=torch.uint8)[:, None]) & 1
            columns[role] = bits.bool() & keep[role][:, None, None]
        masks = torch.from_numpy(np.stack([m for m, _ in painted])).float() / 255
        return Regions(masks, columns, torch.tensor([weights for _, weights in painted]))

    def make(self, numbers: Sequence[int]) -> list[Example]:
        """Draw and encode these pictures of the collection."""
        said = [self.collection.captions(n) for n in numbers]
        for encoder in self.texts.values():
            if isinstance(encoder, CachedText):  # many at once are quicker
                encoder.remember([caption for captions in said for caption in captions])
        return [self._example(n, captions) for n, captions in zip(numbers, said, strict=True)]

    def _example(self, number: int, said: Sequence[str]) -> Example:
        collection, size = self.collection, resolution(self.config)
        crop = CROP if size > CROP else None
        pixels = collection.pixels(number, size, crop=crop, seed=self.config.seed)
        style = collection.style(number)
        return Example(
            torch.from_numpy(np.array(pixels)).permute(2, 0, 1).contiguous(),
            [self._encoded(number, n, text, style) for n, text in enumerate(said)],
            self._reference(number),
            style,
            collection.alone(number),
        )

    def _encoded(self, number: int, n: int, text: str, style: str | None) -> Caption:
        named = phrases(self.collection, number, n, SIDE)[:NUM] if self._asks_places else ()
        masks = np.zeros((NUM, SIDE, SIDE), np.uint8)
        for mask, phrase in zip(masks, named, strict=False):
            mask[:] = np.rint(255 * phrase.mask)
        tokens, marks = {}, {}
        for role, encoder in self.texts.items():
            one = encoder.encode([text])
            tokens[role] = one.states[0].half(), one.pooled[0].half()
            marks[role] = np.zeros(len(one.states[0]), np.uint8)
            if named:
                spans = [phrase.span for phrase in named]
                columns = columns_of(encoder.offsets(text), text, spans).numpy()
                bits = (columns << np.arange(len(spans))[:, None]).sum(0).astype(np.uint8)
                marks[role][: len(bits)] = bits
        things = tuple(phrase.thing for phrase in named)
        return Caption(tokens, marks, masks, things, style is not None and tells_style(text, style))

    def _reference(self, number: int) -> Halves | None:
        encoder: Any = self.encoders.get("clip_image")
        if encoder is None:
            return None
        if isinstance(encoder, ClipImageEncoder):
            picture = Image.fromarray(self.collection.pixels(number, encoder.side))
            tokens = encoder.encode([picture])  # alone: its numbers do not depend on its batch
        else:
            tokens = encoder.encode([self.collection.name(number)])
        return tokens.states[0].half(), tokens.pooled[0].half()

    @property
    def _asks_places(self) -> bool:
        return self.config.data.shown_masks > 0


def _draws(seeds: list[int], name: str) -> Tensor:
    """A uniform in [0, 1) per image, its own for every name."""
    return torch.tensor([stable_hash(name, s) % 2**24 / 2**24 for s in seeds])


def _name(config: Recipe, collection: Collection, encoders: Mapping[str, Encoder]) -> str:
    """Of the folder of what depends on these alone: other runs of the same data find it."""
    data = config.data
    scenes: Any = None
    if data.scenes is not None:  # what is said of them may be said in other words tomorrow
        said = [collection.captions(n) for n in range(min(SAMPLE, data.num_pictures))]
        scenes = [data.scenes.model_dump(mode="json"), said]
    parts: list[Any] = [resolution(config), config.seed, data.num_pictures, data.shown_masks > 0]
    parts += [scenes, data.fingerprint, collection.identity, sorted(encoders)]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def fingerprint(collection: Collection, encoders: Mapping[str, EncoderSpec]) -> str:
    """What a run's data are beside its recipe: pictures, the words for them, the encoders."""
    parts = [*collection.identity, *(encoders[r].sha256 for r in ROLES if r in encoders)]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def measure_sigma_data(examples: Examples, num_images: int = 512) -> float:
    """Standard deviation of a base's pictures."""
    total, count = 0.0, 0
    while count < num_images:
        batch = examples.batch(count)
        total += float((batch.clean - batch.clean.mean()).square().mean()) * len(batch.clean)
        count += len(batch.clean)
    return (total / count) ** 0.5
