"""Do different seeds give different pictures of one prompt?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

if TYPE_CHECKING:
    from ediffi.evaluate.evaluation import Context

NUM_PROMPTS, NUM_SEEDS = 32, 4
SAME = 0.01  # cosine distance below which two pictures are the same to the eye of the extractor


def diversity_scores(context: Context) -> dict[str, Any]:
    """The metric `diversity`: cosine distances of features, of pictures of one prompt with
    different seeds, of pictures of different prompts, and of real pictures of different prompts."""
    prompts = list(dict.fromkeys(context.asked.captions))[:NUM_PROMPTS]
    repeated = [prompt for prompt in prompts for _ in range(NUM_SEEDS)]
    gallery = context.draw("diversity", repeated, range(len(repeated)), context.headline)
    features = context.features("features, diversity", gallery)
    groups = features.view(len(prompts), NUM_SEEDS, -1)
    within = [pairwise(group) for group in groups]
    real = context.real("prompts")[: len(prompts)]
    return {
        "prompts": len(prompts),
        "seeds": NUM_SEEDS,
        "one_prompt": float(sum(w.mean() for w in within) / len(within)),
        "different_prompts": float(pairwise(groups[:, 0]).mean()),
        "different_prompts_real": float(pairwise(real).mean()),
        "pairs_alike": float(sum((w < SAME).float().mean() for w in within) / len(within)),
    }


def pairwise(features: Tensor) -> Tensor:
    """Cosine distances of all pairs of (N, D): (N (N - 1) / 2,)."""
    unit = F.normalize(features, dim=1)
    n = len(unit)
    rows, columns = torch.triu_indices(n, n, offset=1)
    return 1 - (unit @ unit.T)[rows, columns]
