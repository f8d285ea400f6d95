"""Judges: which concept, which style, which caption? Heads on frozen features, fitted on real
pictures only, and never used in training, ranking or tuning.

Every accuracy beside them is on real pictures that they were not fitted on.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ediffi.encoders import DEFAULT_TEXT, TextEncoder
from ediffi.evaluate.examples import Examples, Report, Tell, digest
from ediffi.evaluate.extractor import Extractor
from ediffi.evaluate.heads import Fitted, LinearHead, kept_heads, unseen_hits
from ediffi.evaluate.matcher import RANDOM_CAPTIONS, Matcher
from ediffi.evaluate.shares import mean

VERSION = 2  # of the fitting below: another one makes other judges
SIDES = (64, 224)  # every labelled picture is shown once at each
TEST_SIDE = 64
CONFUSED = 0.75  # a concept is left out if fewer of its real pictures are named right


@dataclass(frozen=True)
class Lessons:
    """What judges are fitted on and tested with: pictures with labels, and with captions."""

    labelled: Examples
    labelled_test: Examples
    captioned: Examples
    captioned_test: Examples


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
    facts = [[examples.source.facts, list(examples.rows)] for examples in sets]
    key = digest([VERSION, facts, extractor.hash, DEFAULT_TEXT.sha256])
    total = sum(map(len, sets)) + len(lessons.labelled) * (len(SIDES) - 1)
    fitting = _Fitting(lessons, extractor, cache, lambda n: report("fitting judges", n, total))
    path = cache / "judges" / f"{key[:24]}.safetensors"
    heads, tensors, words = kept_heads(path, fitting.all)
    centres = tensors["centre.image"], tensors["centre.text"]
    matcher = Matcher(tensors["match.image"], tensors["match.text"], centres)
    concept, style = heads.get("concept"), heads.get("style")
    return Judges(extractor, concept, style, matcher, words["left_out"], words["accuracy"], key)


@dataclass(frozen=True)
class _Fitting:
    """One fitting of all judges."""

    lessons: Lessons
    extractor: Extractor
    cache: Path
    tell: Tell

    def all(self) -> Fitted:
        heads, accuracy, left_out = self._heads()
        matcher, accuracy["match"] = self._matcher()
        tensors = {"match.image": matcher.image, "match.text": matcher.text}
        tensors |= {"centre.image": matcher.centres[0], "centre.text": matcher.centres[1]}
        return heads, tensors, {"accuracy": accuracy, "left_out": left_out}

    def _heads(self) -> tuple[dict[str, LinearHead], dict[str, Any], dict[str, str]]:
        """Heads for concept and style, how right they are, and the concepts that are confused."""
        fitted, tested = self.lessons.labelled, self.lessons.labelled_test
        if not len(fitted) or not len(tested):
            return {}, {}, {}
        features = torch.cat([self._features(fitted, side) for side in SIDES])
        test = self._features(tested, TEST_SIDE)
        shown, asked = fitted.labels * len(SIDES), tested.labels
        groups = [labels.group for labels in shown]
        heads: dict[str, LinearHead] = {}
        accuracy: dict[str, Any] = {}
        left_out: dict[str, str] = {}
        for kind in ("concept", "style"):
            own = [str(getattr(labels, kind)) for labels in shown]
            right = [str(getattr(labels, kind)) for labels in asked]
            if len(set(own)) < 2:
                continue
            heads[kind] = head = LinearHead.fit(features, own)
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

    def _matcher(self) -> tuple[Matcher, dict[str, Any]]:
        """The judge of captions, and how right it is."""
        fitted, tested = self.lessons.captioned, self.lessons.captioned_test
        features = self._features(fitted, TEST_SIDE)
        matcher = Matcher.fit(features, text_features(fitted.captions))
        captions = tested.captions
        found = matcher.first(self._features(tested, TEST_SIDE), text_features(captions), captions)
        return matcher, {
            "own_caption_first": mean(found.tolist()),
            "chance": 1 / min(RANDOM_CAPTIONS, len(captions)),
            "pictures": len(found),
        }

    def _features(self, examples: Examples, side: int) -> Tensor:
        return examples.features(self.extractor, side, self.cache / "evaluate", self.tell)


def _confused(head: LinearHead, features: Tensor, concepts: Sequence[str]) -> dict[str, str]:
    """Concepts that the judge names right too seldom, and what it mostly says instead."""
    answers: dict[str, Counter[str]] = defaultdict(Counter)
    for own, (best,) in zip(concepts, head.top_k(features, 1), strict=True):
        answers[own][best] += 1
    wrong = {
        own: sorted(said.items(), key=lambda kv: (-kv[1], kv[0]))
        for own, said in answers.items()
        if said[own] < CONFUSED * said.total()
    }
    return {own: next(name for name, _ in said if name != own) for own, said in wrong.items()}
