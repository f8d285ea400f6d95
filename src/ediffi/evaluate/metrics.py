"""The metrics of `ediffi evaluate`. Each figure stands beside its chance, its null (every picture
with another one's prompt) and, in a record, what real pictures get."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ediffi.data.labelled import Labels, Subset
from ediffi.evaluate.distances import frechet, kid, neighbours
from ediffi.evaluate.judges import Judges, text_features
from ediffi.evaluate.matcher import RANDOM_CAPTIONS
from ediffi.evaluate.shares import exchanged, share

if TYPE_CHECKING:
    from ediffi.evaluate.evaluation import Evaluation

NUM_PROMPTS, NUM_SEEDS = 32, 4  # of the metric diversity
SAME = 0.01  # cosine distance below which two pictures are the same to the eye of the extractor
FALSE_ALARMS = 0.01  # share of training pictures as near to another one as a copy


@dataclass(frozen=True)
class Asked:
    """What N pictures should show. texts: (N, E) features of the captions."""

    captions: list[str]
    labels: list[Labels]
    texts: Tensor

    @classmethod
    def of(cls, asked: Subset) -> Asked:
        captions = asked.captions
        return cls(captions, asked.labels, text_features(captions))

    def chosen(self, rows: Sequence[int]) -> Asked:
        """Those rows, in that order."""
        return Asked(
            [self.captions[n] for n in rows], [self.labels[n] for n in rows], self.texts[list(rows)]
        )


@dataclass(frozen=True)
class Seen:
    """N pictures, and what they are measured against. features: (N, D); reference: (M, D) of real
    pictures."""

    features: Tensor
    asked: Asked
    reference: Tensor
    judges: Judges


def fd(seen: Seen) -> dict[str, Any]:
    """Frechet distance, and precision, recall, density and coverage, on the same features."""
    real, fake = seen.reference, seen.features
    return {"distance": frechet(fake, real), **neighbours(real, fake)}


def kernel_distance(seen: Seen) -> dict[str, Any]:
    """Kernel distance times 1,000, with its interval."""
    return {"times": 1000, **kid(seen.features, seen.reference).scaled(1000)}


def match(seen: Seen) -> dict[str, Any]:
    """How well pictures fit their captions: mean cosine, and how often the own caption is first."""
    matcher, features, asked = seen.judges.matcher, seen.features, seen.asked
    others = asked.chosen(exchanged(range(len(asked.captions))))
    cosine = matcher.score(features, asked.texts)
    own = matcher.first(features, asked.texts, asked.captions)
    other = matcher.first(features, others.texts, others.captions)
    return {
        "cosine": float(cosine.mean()),
        "cosine_standard_error": float(cosine.std() / len(cosine) ** 0.5),
        "cosine_null": float(matcher.score(features, others.texts).mean()),
        "own_caption_first": share(own),
        "null": share(other)["share"],
        "chance": 1 / min(RANDOM_CAPTIONS, len(asked.captions)),
    }


def concept(seen: Seen) -> dict[str, Any]:
    """Of pictures of one known thing that the judge can tell: is it the one asked for?"""
    known = [n for n, labels in enumerate(seen.asked.labels) if labels.concept]
    rows = [n for n in known if seen.judges.judged(seen.asked.labels[n].concept)]
    head, labels = seen.judges.concept, [str(seen.asked.labels[n].concept) for n in rows]
    assert head is not None
    features = seen.features[rows]
    return {
        "top1": share(head.hits(features, labels)),
        "top5": share(head.hits(features, labels, 5)),
        "null_top1": share(head.hits(features, exchanged(labels)))["share"],
        "chance_top1": 1 / len(head.labels),
        "not_judged": len(known) - len(rows),
    }


def style(seen: Seen) -> dict[str, Any]:
    """Of pictures whose style is known: is it in the style of the picture that was described?"""
    rows = [n for n, labels in enumerate(seen.asked.labels) if labels.style]
    head, labels = seen.judges.style, [str(seen.asked.labels[n].style) for n in rows]
    assert head is not None
    features, counts = seen.features[rows], np.unique(labels, return_counts=True)[1]
    return {
        "top1": share(head.hits(features, labels)),
        "null_top1": share(head.hits(features, exchanged(labels)))["share"],
        "largest_style": float(counts.max() / counts.sum()) if len(counts) else None,
        "chance_top1": 1 / len(head.labels),
    }


def diversity(evaluation: Evaluation) -> dict[str, Any]:
    """Cosine distances of features: of pictures of one prompt with different seeds, of different
    prompts, and of real pictures of different prompts."""
    prompts = list(dict.fromkeys(evaluation.asked.captions))[:NUM_PROMPTS]
    repeated = [prompt for prompt in prompts for _ in range(NUM_SEEDS)]
    features = evaluation.drawn("diversity", repeated)
    groups = features.view(len(prompts), NUM_SEEDS, -1)
    within = torch.stack([pairwise(group) for group in groups])
    real = evaluation.real(evaluation.data.prompts)[: len(prompts)]
    return {
        "prompts": len(prompts),
        "seeds": NUM_SEEDS,
        "one_prompt": float(within.mean()),
        "different_prompts": float(pairwise(groups[:, 0]).mean()),
        "different_prompts_real": float(pairwise(real).mean()),
        "pairs_alike": float((within < SAME).float().mean()),
    }


def memorization(evaluation: Evaluation) -> dict[str, Any]:
    """Share of pictures that are nearer to a training picture (cosine distance of features) than
    all but 1 % of the training pictures are to another one."""
    training = evaluation.data.training
    assert training is not None
    real = evaluation.real(training, len(training))
    threshold = float(nearest(real, real, skip=1).quantile(FALSE_ALARMS))
    found = nearest(evaluation.drawn("memorization", evaluation.asked.captions), real)
    return {
        "training_pictures": len(real),
        "threshold": threshold,
        "flagged": share((found < threshold).tolist()),
        "median": float(found.median()),
    }


def nearest(features: Tensor, others: Tensor, *, skip: int = 0) -> Tensor:
    """Cosine distance of each of (N, D) to the nearest of (M, D): (N,). skip: nearer ones that do
    not count, 1 where the others are the same pictures."""
    unit = F.normalize(others, dim=1)
    blocks = F.normalize(features, dim=1).split(1024)
    found = [(block @ unit.T).topk(skip + 1, dim=1).values[:, skip] for block in blocks]
    return 1 - torch.cat(found)


def pairwise(features: Tensor) -> Tensor:
    """Cosine distances of all pairs of (N, D): (N (N - 1) / 2,)."""
    unit = F.normalize(features, dim=1)
    rows, columns = torch.triu_indices(len(unit), len(unit), offset=1)
    return 1 - (unit @ unit.T)[rows, columns]


AT_EVERY_GUIDANCE: dict[str, Callable[[Seen], dict[str, Any]]] = {
    "fd": fd,
    "kid": kernel_distance,
    "clip": match,
    "concept": concept,
    "style": style,
}
AT_SHIPPED_GUIDANCE: dict[str, Callable[[Evaluation], dict[str, Any]]] = {
    "diversity": diversity,
    "memorization": memorization,
}
METRICS = (*AT_EVERY_GUIDANCE, *AT_SHIPPED_GUIDANCE)
