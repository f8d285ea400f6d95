"""Does the nearest training picture say what a model learnt from? A tiny model, trained many times.

Influence by D-TRAK (Zheng et al. 2024, arXiv 2311.00500): a kernel between gradients of the square
of the network's output, projected at random. It, and nearness, are held against what happens when
pictures are left out: the linear datamodeling score (LDS, Park et al. 2023), the rank correlation
over models trained on random halves, for each query, between its loss and the summed scores of the
pictures in the half.

    python -m studies influence -o influence

The model is the `tiny` preset's base at 16 pixels without words, so what is found says how the
method does, and nothing of the default model.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from ediffi.core.pictures import square
from ediffi.core.pixels import from_uint8
from ediffi.core.types import ROLES, Prompt, StageInput
from ediffi.diffusion import (
    NoiseDistribution,
    edm_loss,
    gaussian,
    noised,
    stable_hash,
    stratified_uniforms,
)
from ediffi.networks import PRESETS, build_denoiser
from ediffi.pictogram.entries import on_white
from ediffi.pictogram.grid import Grid

SIDE = 16
STYLE = "fluent-emoji-flat"
SIGMA_DATA = 0.5
NOISE = NoiseDistribution(mean=-0.4, std=1.2)
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Settings:
    """num_pictures: trained on; num_queries: held out; num_subsets: models trained on a half;
    num_steps of `batch` pictures each; num_draws: of noise, for a loss or a gradient; projection:
    dimensions; ridge: of the kernel, as a share of its mean eigenvalue."""

    num_pictures: int = 64
    num_queries: int = 16
    num_subsets: int = 16
    num_steps: int = 120
    batch: int = 16
    num_draws: int = 8
    projection: int = 256
    ridge: float = 0.1


def pictures(grid: Grid, settings: Settings) -> tuple[Tensor, Tensor]:
    """Drawings to train on, and held-out ones to ask about: (N, 3, 16, 16) in [-1, 1] each."""
    cells = [cell for cell in grid.cells.values() if cell.style == STYLE]
    cells.sort(key=lambda cell: stable_hash("influence", cell.hexcode))
    sets = []
    for held_out, num in ((False, settings.num_pictures), (True, settings.num_queries)):
        chosen = [cell for cell in cells if cell.held_out == held_out][:num]
        sets.append(from_uint8([np.asarray(square(on_white(grid, c), SIDE)) for c in chosen]))
    return sets[0], sets[1]


def _unprompted(batch: int) -> StageInput:
    return StageInput(Prompt({}, {role: torch.zeros(batch, dtype=torch.bool) for role in ROLES}))


def train(data: Tensor, settings: Settings, seed: int = 0) -> nn.Module:
    """A model of these pictures, (N, 3, 16, 16); the seed decides weights, order and noise."""
    torch.manual_seed(seed)
    model: nn.Module = build_denoiser(PRESETS["tiny"]["base"], SIGMA_DATA)
    optimiser = torch.optim.Adam(model.parameters(), lr=2e-3)
    cond = _unprompted(settings.batch)
    for step in range(settings.num_steps):
        numbers = torch.arange(step * settings.batch, (step + 1) * settings.batch)
        clean = data[[stable_hash(seed, int(n)) % len(data) for n in numbers]]
        sigma = NOISE.sample(stratified_uniforms(numbers, seed)).float()
        noise = gaussian([stable_hash(seed, int(n)) for n in numbers], (3, SIDE, SIDE), "noise")
        loss = edm_loss(model(noised(clean, noise, sigma), sigma, cond), clean, sigma, SIGMA_DATA)
        optimiser.zero_grad()
        loss.mean().backward()
        optimiser.step()
    return model.eval()


def _draws(picture: Tensor, settings: Settings) -> tuple[Tensor, Tensor, Tensor]:
    """A picture, (3, 16, 16), noised `num_draws` times, the same for every model: the clean copies,
    the noised ones and their sigmas."""
    num = settings.num_draws
    clean = picture.expand(num, -1, -1, -1)
    sigma = NOISE.sample((torch.arange(num) + 0.5) / num).float()
    noise = gaussian(list(range(num)), (3, SIDE, SIDE), "draws")
    return clean, noised(clean, noise, sigma), sigma


@torch.no_grad()
def losses(model: nn.Module, queries: Tensor, settings: Settings) -> Floats:
    """The training loss at each query: (Q,)."""
    out = []
    for query in queries:
        clean, x, sigma = _draws(query, settings)
        denoised = model(x, sigma, _unprompted(len(x)))
        out.append(float(edm_loss(denoised, clean, sigma, SIGMA_DATA).mean()))
    return np.array(out)


def gradients(model: nn.Module, data: Tensor, settings: Settings) -> Tensor:
    """Projected gradients of the denoiser's mean squared output, D-TRAK's choice: (N, k)."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    size = sum(p.numel() for p in parameters)
    chance = torch.Generator().manual_seed(0)
    projection = torch.randn(size, settings.projection, generator=chance) / size**0.5
    rows = []
    for picture in data:
        _, x, sigma = _draws(picture, settings)
        output = model(x, sigma, _unprompted(len(x))).square().mean()
        found = torch.autograd.grad(output, parameters, allow_unused=True)
        flat = [
            torch.zeros_like(p) if g is None else g for p, g in zip(parameters, found, strict=True)
        ]
        rows.append(torch.cat([g.flatten() for g in flat]) @ projection)
    return torch.stack(rows)


def dtrak(queries: Tensor, trained: Tensor, ridge: float) -> Floats:
    """phi_q (Phi^T Phi + lambda I)^-1 phi_i: (Q, N) of gradients (Q, k) and (N, k)."""
    kernel = (trained.T @ trained).double()
    kernel.diagonal().add_(ridge * kernel.diagonal().mean())
    scores = queries.double() @ torch.linalg.solve(kernel, trained.T.double())
    return np.asarray(scores)


def nearness(queries: Tensor, trained: Tensor) -> Floats:
    """Cosines of the pixels, white being zero: (Q, N)."""
    a, b = (F.normalize((t - 1).flatten(1), dim=1) for t in (queries, trained))
    return np.asarray((a @ b.T).double())


def lds(scores: Floats, members: Sequence[Sequence[int]], outcomes: Floats) -> Floats:
    """Rank correlation of each query, (Q,): scores (Q, N) summed over the members of each of M
    subsets, against outcomes (M, Q), larger where a query is drawn better."""
    from scipy.stats import spearmanr

    sums = np.stack([scores[:, list(subset)].sum(1) for subset in members])  # (M, Q)
    each = [spearmanr(sums[:, q], outcomes[:, q]).statistic for q in range(scores.shape[0])]
    return np.nan_to_num(np.array(each))


def study(
    grid: Grid, settings: Settings, report: Callable[[str, int, int], None]
) -> dict[str, Any]:
    """The record: LDS of D-TRAK, of nearness and of chance, with 95 % intervals over queries."""
    data, queries = pictures(grid, settings)
    chance = np.random.default_rng(0)
    half = len(data) // 2
    members = [chance.permutation(len(data))[:half].tolist() for _ in range(settings.num_subsets)]
    outcomes = []
    for number, subset in enumerate(members):
        outcomes.append(-losses(train(data[subset], settings, number), queries, settings))
        report("models on a half", 1, len(members))
    whole = train(data, settings)
    report("gradients", 0, 1)
    ours = dtrak(
        gradients(whole, queries, settings), gradients(whole, data, settings), settings.ridge
    )
    report("gradients", 1, 1)
    scores = {
        "dtrak": ours,
        "nearness": nearness(queries, data),
        "chance": chance.normal(size=ours.shape),
    }
    found = {name: lds(table, members, np.stack(outcomes)) for name, table in scores.items()}
    return {
        "settings": asdict(settings),
        "data": {"grid": grid.fingerprint, "style": STYLE, "side": SIDE},
        "lds": {name: _interval(values) for name, values in found.items()},
    }


def _interval(values: Floats) -> dict[str, float]:
    """Mean over queries, and its interval by resampling them."""
    draws = np.random.default_rng(0).choice(values, (2_000, len(values))).mean(1)
    low, high = np.quantile(draws, (0.025, 0.975)).tolist()
    return {"value": float(values.mean()), "low": low, "high": high, "queries": len(values)}
