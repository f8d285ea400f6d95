"""Does a picture fit its caption? Two linear projections between frozen features (LiT, Zhai et
al. 2022, with both towers locked).

Not a CLIP score: it knows the pictures and words of the grid and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

WIDTH = 256
STEPS = 400
BATCH = 512
RANDOM_CAPTIONS = 100  # among which a picture's own caption must come first


@dataclass(frozen=True)
class Matcher:
    """Cosine of picture and caption in a joint space.

    image: (D, 256); text: (E, 256); image_centre: (D,) and text_centre: (E,), subtracted first.
    """

    image: Tensor
    text: Tensor
    image_centre: Tensor
    text_centre: Tensor

    @classmethod
    def fit(cls, images: Tensor, texts: Tensor) -> Matcher:
        """images: (N, D) features of real pictures; texts: (N, E) of their captions.

        Contrastive: of a batch, each picture must find its caption and the other way round.
        """
        centres = images.mean(0), texts.mean(0)
        x, y = F.normalize(images - centres[0], dim=1), F.normalize(texts - centres[1], dim=1)
        generator = torch.Generator().manual_seed(0)
        weights = [
            torch.randn(v.shape[1], WIDTH, generator=generator).mul_(WIDTH**-0.5) for v in (x, y)
        ]
        scale = torch.tensor(3.0)
        parameters = [w.requires_grad_() for w in (*weights, scale)]
        optimiser = torch.optim.AdamW(parameters, lr=3e-3, weight_decay=0.1)
        for _ in range(STEPS):
            rows = torch.randperm(len(x), generator=generator)[:BATCH]
            a, b = (F.normalize(v[rows] @ w, dim=1) for v, w in zip((x, y), weights, strict=True))
            logits = scale.exp().clamp(max=100) * a @ b.T
            target = torch.arange(len(rows))
            loss = F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        return cls(weights[0].detach(), weights[1].detach(), *centres)

    def scores(self, images: Tensor, texts: Tensor) -> Tensor:
        """(N, D) and (M, E) -> cosines (N, M)."""
        a = F.normalize(F.normalize(images - self.image_centre, dim=1) @ self.image, dim=1)
        b = F.normalize(F.normalize(texts - self.text_centre, dim=1) @ self.text, dim=1)
        return a @ b.T

    def score(self, images: Tensor, texts: Tensor) -> Tensor:
        """Cosine of each picture with its own caption: (N,)."""
        return self.scores(images, texts).diagonal()

    def first(
        self, images: Tensor, texts: Tensor, captions: Sequence[str], *, seed: int = 0
    ) -> list[bool]:
        """R-precision: does a picture's own caption beat 99 others of the set?

        texts: (N, E) of the N captions; the others are a seeded choice of captions that differ.
        """
        scores = self.scores(images, texts)
        generator = torch.Generator().manual_seed(seed)
        hits = []
        for row, caption in enumerate(captions):
            order = torch.randperm(len(captions), generator=generator).tolist()
            others = [n for n in order if captions[n] != caption][: RANDOM_CAPTIONS - 1]
            hits.append(bool((scores[row, others] < scores[row, row]).all()))
        return hits
