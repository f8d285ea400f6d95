"""Judges: which concept, which style, which caption? Heads on frozen features, fitted on real
pictures only, and never used in training, ranking or tuning.

Every accuracy beside them is on real pictures that they were not fitted on.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ediffi.data.labelled import Lessons, Subset
from ediffi.encoders import DEFAULT_TEXT, TextEncoder
from ediffi.evaluate.features import Extractor, Report, digest, real_features
from ediffi.evaluate.heads import Fitted, LinearHead, kept_heads, unseen_hits
from ediffi.evaluate.matcher import RANDOM_CAPTIONS, Matcher
from ediffi.evaluate.shares import mean

VERSION = 2  # of the fitting below: another one makes other judges
SIDES = (64, 224)  # every labelled picture is shown once at each
TEST_SIDE = 64
MATCHER = ("match.image", "match.text", "centre.image", "centre.text")  # its tensors in the file
CONFUSED = 0.75  # a concept is left out if fewer of its real pictures are named right

See = Callable[[Subset, int], Tensor]
"""Features (N, D) of real pictures of a size."""


@dataclass(frozen=True)
class Judges:
    """Fitted judges; concept and style are None where nobody knows at least two of them.

    left_out: concept -> the concept it is mostly taken for, on real pictures; accuracy: of each
    judge on real pictures; hash: of all that they were fitted from.
    """

    extractor: Extractor
    concept: LinearHead | None
    style: LinearHead | None
    matcher: Matcher
    left_out: dict[str, str]
    accuracy: dict[str, Any]
    hash: str

    def judged(self, concept: str | None) -> bool:
        """Whether pictures of this concept can be judged."""
        known = self.concept.labels if self.concept else ()
        return concept in known and concept not in self.left_out


def text_features(captions: Sequence[str]) -> Tensor:
    """Pooled MiniLM vectors of captions: (N, 384)."""
    encoder = TextEncoder.load(DEFAULT_TEXT)
    unique = sorted(set(captions), key=lambda text: (len(text), text))
    found: dict[str, Tensor] = {}
    for start in range(0, len(unique), 64):
        block = unique[start : start + 64]
        found |= dict(zip(block, encoder.encode(block).pooled, strict=True))
    return torch.stack([found[caption] for caption in captions])


def open_judges(lessons: Lessons, extractor: Extractor, cache: Path, report: Report) -> Judges:
    """The judges that these lessons make, fitted the first time and kept in cache/judges."""
    sets = vars(lessons).values()
    facts = [[real.source.facts, list(real.rows)] for real in sets]
    key = digest([VERSION, facts, extractor.hash, DEFAULT_TEXT.sha256])
    total = sum(map(len, sets)) + len(lessons.labelled) * (len(SIDES) - 1)

    def see(real: Subset, side: int) -> Tensor:
        tell = lambda more: report("fitting judges", more, total)  # noqa: E731
        return real_features(real, extractor, side, cache / "evaluate", tell)

    path = cache / "judges" / f"{key[:24]}.safetensors"
    heads, tensors, words = kept_heads(path, lambda: _fit(lessons, see))
    matcher = Matcher(*(tensors[name] for name in MATCHER))
    concept, style = heads.get("concept"), heads.get("style")
    return Judges(extractor, concept, style, matcher, words["left_out"], words["accuracy"], key)


def _fit(lessons: Lessons, see: See) -> Fitted:
    """All judges."""
    heads, accuracy, left_out = _fit_heads(lessons.labelled, lessons.labelled_test, see)
    fitted, tested = lessons.captioned, lessons.captioned_test
    matcher = Matcher.fit(see(fitted, TEST_SIDE), text_features(fitted.captions))
    captions = tested.captions
    found = matcher.first(see(tested, TEST_SIDE), text_features(captions), captions)
    accuracy["match"] = {
        "own_caption_first": mean(found),
        "chance": 1 / min(RANDOM_CAPTIONS, len(captions)),
        "pictures": len(found),
    }
    tensors = dict(zip(MATCHER, vars(matcher).values(), strict=True))
    return heads, tensors, {"accuracy": accuracy, "left_out": left_out}


def _fit_heads(
    fitted: Subset, tested: Subset, see: See
) -> tuple[dict[str, LinearHead], dict[str, Any], dict[str, str]]:
    """Heads for concept and style, how right they are, and the concepts that are confused."""
    heads: dict[str, LinearHead] = {}
    accuracy: dict[str, Any] = {}
    left_out: dict[str, str] = {}
    if not len(fitted) or not len(tested):
        return heads, accuracy, left_out
    features = torch.cat([see(fitted, side) for side in SIDES])
    test = see(tested, TEST_SIDE)
    shown, asked = fitted.labels * len(SIDES), tested.labels
    for kind in ("concept", "style"):
        own = [str(getattr(labels, kind)) for labels in shown]
        right = [str(getattr(labels, kind)) for labels in asked]
        if len(set(own)) < 2:
            continue
        heads[kind] = head = LinearHead.fit(features, own)
        groups = [labels.group for labels in shown]
        accuracy[kind] = {
            "known_drawings": mean(head.hits(test, right)),
            "known_drawings_top5": mean(head.hits(test, right, 5)),
            "unseen_drawings": mean(unseen_hits(features, own, groups)),
            "chance": 1 / len(head.labels),
            "pictures": len(right),
        }
        if kind == "concept":
            left_out = _confused(head, test, right)
    return heads, accuracy, left_out


def _confused(head: LinearHead, features: Tensor, concepts: Sequence[str]) -> dict[str, str]:
    """Concepts that the judge names right too seldom, and what it mostly says instead."""
    answers: dict[str, Counter[str]] = defaultdict(Counter)
    for own, (best,) in zip(concepts, head.top_k(features, 1), strict=True):
        answers[own][best] += 1
    return {
        own: min((name for name in said if name != own), key=lambda name: (-said[name], name))
        for own, said in answers.items()
        if said[own] < CONFUSED * said.total()
    }
