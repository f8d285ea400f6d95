"""What the text does at which noise level (eDiff-I, figures 3 and 4): attention to it against the
null token over sigma, and pictures whose prompt is exchanged while they are drawn."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from math import isfinite
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ediffi.core.errors import UserError
from ediffi.core.files import make_folder, write_atomically
from ediffi.core.pixels import to_uint8
from ediffi.core.types import StageDone, StageInput
from ediffi.diffusion import num_evaluations
from ediffi.evaluate.plots import lines
from ediffi.model import Cascade
from ediffi.model.asks import Asking, Denoise, Prepare
from ediffi.model.attention import attended
from ediffi.model.plan import Plan
from ediffi.model.request import Request
from ediffi.model.run import asking, encode
from ediffi.output import save_sheet

NULL = 0  # the context's first token, which is attended where no word is needed
LAST = (0.0, 0.07, 0.4, 0.7, 1.0)  # shares of the evaluations that hear the second prompt


@dataclass(frozen=True)
class Shares:
    """Shares of cross-attention at one noise level, mean over pictures, positions, heads and
    layers: to the words of the text, and to the null token. The rest goes to other roles."""

    sigma: float
    expert: str | None
    text: float
    null: float


def shares_over_sigma(cascade: Cascade, plan: Plan) -> list[Shares]:
    """One row for every evaluation of the first stage, from high sigma to low."""
    prompt = encode(plan, cascade)
    stage = cascade.stage(plan.stages[0][0].name)
    heard = stage.heard(prompt, plan.stages[0][1])
    rows = []
    for one in attended(plan, cascade, prompt):
        if not isfinite(one.sigma):
            continue
        mean = one.shares.mean((2, 3))  # (B, L)
        words = torch.zeros_like(mean, dtype=torch.bool)
        for role in ("t5", "clip_text"):
            if role in heard.tokens and role in one.offsets:
                mask, start = heard.tokens[role].mask, one.offsets[role]
                words[:, start : start + mask.shape[1]] = mask.to(words.device)
        text, null = (mean * words).sum(1).mean(), mean[:, NULL].mean()
        rows.append(Shares(one.sigma, stage.expert(one.sigma), float(text), float(null)))
    return rows


def switched(cascade: Cascade, first: Plan, second: Plan, last: float) -> Tensor:
    """Pictures of the first stage, (B, 3, H, W), that hear the first plan's prompts, and in the
    last share of the evaluations the second's. Both draw the same noise.

    Raises:
        UserError: the plans are of another number of pictures, or of other seeds.
    """
    if first.seeds != second.seeds:
        raise UserError("a prompt can be exchanged for another of the same seeds only")
    told, other = _first_stage(cascade, first), _conditions(_first_stage(cascade, second))
    answer: Any = None
    how = first.stages[0][1]
    total, step = num_evaluations(how.sampler, how.num_steps), 0
    images: Tensor | None = None
    while images is None:
        asked = told.send(answer)
        answer = None
        if isinstance(asked, Denoise):
            late = step >= round((1 - last) * total)
            answer = (replace(asked, cond=other) if late else asked).answer()
            step += 1
        elif isinstance(asked, Prepare):
            answer = asked.answer()
        elif isinstance(asked, StageDone):
            images = asked.images
    return images


def _first_stage(cascade: Cascade, plan: Plan) -> Asking[Any, None]:
    return asking(replace(plan, stages=plan.stages[:1]), encode(plan, cascade), cascade)


def _conditions(run: Asking[Any, None]) -> StageInput:
    """What a run's denoisings are conditioned on: the answer to the first that it asks."""
    first = next(run)
    assert isinstance(first, Prepare)
    return first.answer()


def attention_experiment(
    cascade: Cascade, prompts: tuple[str, str], output: Path, *, num_images: int, **options: Any
) -> list[Shares]:
    """Write attention.json, attention.svg and switched.png (a row for each share of LAST) to the
    folder `output`; returns the curve. options: of `Request`."""
    make_folder(output)
    plans = [
        cascade.plan(Request.of(prompts=prompt, num_images=num_images, **options))
        for prompt in prompts
    ]
    rows = shares_over_sigma(cascade, plans[0])
    drawn = [switched(cascade, plans[0], plans[1], last) for last in LAST]
    record = {
        "model": cascade.hash,
        "prompts": list(prompts),
        "seeds": list(plans[0].seeds),
        **plans[0].described(),
        "last": list(LAST),
        "attended": [asdict(row) for row in rows],
    }
    write_atomically(output / "attention.json", (json.dumps(record, indent=2) + "\n").encode())
    curves = {
        "words": [(row.sigma, row.text) for row in rows],
        "null token": [(row.sigma, row.null) for row in rows],
    }
    lines(output / "attention.svg", curves, x="sigma", y="share of attention")
    save_sheet(output / "switched.png", to_uint8(torch.cat(drawn)), columns=num_images)
    return rows
