"""The scenes of a composer as a collection."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from ediffi.core.types import DataSource, Pixels
from ediffi.data.collection import Phrase
from ediffi.language.vocabulary import words_of
from ediffi.pictogram.captions import STYLES
from ediffi.pictogram.composer import Composer
from ediffi.pictogram.grammar import indefinite
from ediffi.pictogram.grid import MONOCHROME

# pale, so that most things stand out
GROUNDS = tuple(
    f"on {indefinite(colour)} {colour} background"
    for colour in ("light blue", "white", "light green", "yellow", "pink", "light gray", "teal")
)


class Scenes:
    """The scenes of a composer as a collection; there is no last one."""

    def __init__(self, composer: Composer) -> None:
        self.composer = composer

    @property
    def identity(self) -> list[Any]:
        # the scenes' settings are in the run's config
        return [self.composer.grid.fingerprint, sorted(self.composer.words.items())]

    def captions(self, index: int) -> Sequence[str]:
        return tuple(caption.text for caption in self.composer.scene(index).captions)

    def phrases(self, index: int, caption: int, side: int) -> Sequence[Phrase]:
        scene = self.composer.scene(index)
        parts = self.composer.masks(scene, side)
        named, told = [], set[int]()
        for span in scene.captions[caption].spans:
            if span.kind not in ("thing", "stuff", "background"):
                continue
            mask = parts[list(span.parts)].sum(0).clip(0, 1)
            new = [part for part in span.parts if part not in told and part < len(scene.items)]
            told.update(new)
            boxes = tuple(scene.items[part].box for part in new)
            named.append(Phrase((span.start, span.end), mask, span.kind == "thing", boxes))
        seen = [phrase for phrase in named if phrase.mask.max() > 0.5]
        return sorted(seen, key=lambda phrase: not phrase.thing)

    def pixels(self, index: int, size: int, *, crop: int | None = None, seed: int = 0) -> Pixels:
        scene = self.composer.scene(index)
        window = self.composer.crop_for(scene, size, crop, seed) if crop else None
        return self.composer.render(scene, size, window)

    def name(self, index: int) -> str:
        return f"scene {index} of {self._settings}"

    def style(self, index: int) -> str:
        return self.composer.scene(index).items[0].style  # a scene is all of one

    def alone(self, index: int) -> bool:
        return len(self.composer.scene(index).items) == 1

    @cached_property
    def _settings(self) -> str:
        settings = [*self.identity, self.composer.config.model_dump(mode="json")]
        return hashlib.sha256(json.dumps(settings).encode()).hexdigest()

    def sources(self) -> tuple[DataSource, ...]:
        counts = Counter(cell.package for cell in self.composer.cells)
        return tuple(
            DataSource(
                source=f"{p.name} {p.version}",
                licence=p.licence,
                pictures=count,
                attribution=p.attribution,
            )
            for p, count in sorted(counts.items(), key=lambda pair: pair[0].name)
        )

    def taught(self) -> dict[str, Any]:
        known = self.composer.words
        drawn = sorted({cell.hexcode for cell in self.composer.cells})
        styles = tuple(dict.fromkeys(self.composer.config.styles))
        looks = {s: (*STYLES[s][1], *STYLES[s][0]) for s in styles if s in STYLES}
        return {
            "vocabulary": {known[h][0]: known[h][1:] for h in drawn},
            "styles": styles,
            "looks": looks,
            # a silhouette has no colours: only who asks for one gets it
            "spread": tuple(s for s in looks if s not in MONOCHROME),
            "grounds": GROUNDS,
            "words": self._caption_words(),
        }

    def _caption_words(self, num_scenes: int = 4096) -> tuple[str, ...]:
        """The words that captions of training scenes are made of."""
        captions = (caption for index in range(num_scenes) for caption in self.captions(index))
        return tuple(sorted({word for caption in captions for word in words_of(caption)}))
