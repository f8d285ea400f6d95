"""Figures of one set of pictures. Each stands beside its chance, its null and its real ceiling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from torch import Tensor

from ediffi.evaluate.distances import frechet, kid, neighbours
from ediffi.evaluate.judges import Judges
from ediffi.evaluate.pictograms import single
from ediffi.pictogram.scene import Scene

T = TypeVar("T")


@dataclass(frozen=True)
class Asked:
    """What N pictures should show. texts: (N, E) features of the captions."""

    scenes: list[Scene]
    texts: Tensor

    @property
    def captions(self) -> list[str]:
        return [scene.caption for scene in self.scenes]


def exchanged(values: Sequence[T]) -> list[T]:
    """Everyone gets the value of the one half the list further: the null of every judge."""
    half = len(values) // 2
    return [*values[half:], *values[:half]]


def wilson(hits: int, num: int) -> list[float]:
    """95 % interval of a share, Wilson 1927.

    >>> [round(x, 3) for x in wilson(5, 10)]
    [0.237, 0.763]
    """
    if not num:
        return [0.0, 1.0]
    z, share = 1.96, hits / num
    middle = (share + z * z / (2 * num)) / (1 + z * z / num)
    reach = z / (1 + z * z / num) * (share * (1 - share) / num + z * z / (4 * num * num)) ** 0.5
    return [middle - reach, middle + reach]


def share(hits: Sequence[bool]) -> dict[str, Any]:
    """A share of pictures with its interval and their number."""
    num, good = len(hits), sum(map(bool, hits))
    return {
        "share": good / num if num else None,
        "interval": wilson(good, num),
        "pictures": num,
    }


def fd_scores(fake: Tensor, real: Tensor) -> dict[str, Any]:
    """Frechet distance, and precision, recall, density and coverage, on the same features."""
    return {"distance": frechet(fake, real), **neighbours(real, fake)}


def kid_scores(fake: Tensor, real: Tensor) -> dict[str, Any]:
    """Kernel distance times 1,000, with its interval."""
    return {"times": 1000, **kid(fake, real).scaled(1000)}


def match_scores(judges: Judges, features: Tensor, asked: Asked) -> dict[str, Any]:
    """How well pictures fit their captions: mean cosine, and how often the own caption is first."""
    matcher, texts = judges.matcher, asked.texts
    order = exchanged(range(len(texts)))
    cosine, null = matcher.score(features, texts), matcher.score(features, texts[order])
    captions = asked.captions
    own = matcher.first(features, texts, captions).tolist()
    other = matcher.first(features, texts[order], [captions[n] for n in order]).tolist()
    return {
        "cosine": float(cosine.mean()),
        "cosine_standard_error": float(cosine.std() / len(cosine) ** 0.5),
        "cosine_null": float(null.mean()),
        "own_caption_first": share(own),
        "null": share(other)["share"],
        "chance": 1 / min(100, len(captions)),
    }


def concept_scores(judges: Judges, features: Tensor, asked: Asked) -> dict[str, Any]:
    """Of pictures with one thing that the judge can tell: is it the one asked for?"""
    scenes = asked.scenes
    rows = [n for n in single(scenes) if judges.judged(scenes[n].items[0].hexcode)]
    labels = [scenes[n].items[0].hexcode for n in rows]
    return {
        "top1": share(judges.concept.hits(features[rows], labels)),
        "top5": share(judges.concept.hits(features[rows], labels, 5)),
        "null_top1": share(judges.concept.hits(features[rows], exchanged(labels)))["share"],
        "chance_top1": 1 / len(judges.concept.labels),
        "not_judged": len(single(scenes)) - len(rows),
    }


def style_scores(judges: Judges, features: Tensor, asked: Asked) -> dict[str, Any]:
    """Of pictures with one thing: is it in the style of the scene that was described?"""
    rows = single(asked.scenes)
    labels = [asked.scenes[n].items[0].style for n in rows]
    counts = np.unique(labels, return_counts=True)[1]
    return {
        "top1": share(judges.style.hits(features[rows], labels)),
        "null_top1": share(judges.style.hits(features[rows], exchanged(labels)))["share"],
        "largest_style": float(counts.max() / counts.sum()) if len(counts) else None,
        "chance_top1": 1 / len(judges.style.labels),
    }
