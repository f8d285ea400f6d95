"""A plan is carried out: its prompts encoded, its stages sampled one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from ediffi.core.errors import noted_by
from ediffi.core.types import Event, Prompt, StageDone
from ediffi.encoders import make_prompt
from ediffi.model.asks import Asking, answered
from ediffi.model.config import Sampling
from ediffi.model.parts import Parts
from ediffi.model.plan import Plan
from ediffi.model.stage import Stage
from ediffi.paint import paint


def run(plan: Plan, parts: Parts) -> Iterator[Event]:
    """See `Cascade.run`."""
    for message in plan.notes:
        parts.tell(message)
    return answered(asking(plan, encode(plan, parts), parts))


def encode(plan: Plan, parts: Parts) -> Prompt:
    """What the networks read of every picture; each subject is encoded once."""
    subjects = list(dict.fromkeys(plan.subjects))
    texts = [subject.text for subject in subjects if subject.text is not None]
    with parts.lock, noted_by(parts.tell):  # tokenizers are not made for two threads
        encoders = {role: parts.encoder(role) for role in plan.roles}
        styles = [subject.style for subject in subjects]
        prompt = make_prompt(encoders, texts or None, styles=styles)
        if texts:
            placements = [subject.placement for subject in subjects]
            prompt = paint(prompt, encoders, texts, placements)
    rows = torch.tensor([subjects.index(subject) for subject in plan.subjects])
    return prompt.map(lambda t: t[rows])


def asking(plan: Plan, prompt: Prompt, parts: Parts) -> Asking[Event, None]:
    """A run that asks for its denoisings instead of computing them: whoever drives it answers
    each `Ask` when it suits, alone or with those of other runs.

    prompt: of `encode`.
    """
    stages = [(parts.stage(config.name), sampling) for config, sampling in plan.stages]
    return _stages(stages, prompt, plan)


def _stages(
    stages: Sequence[tuple[Stage, Sampling]], prompt: Prompt, plan: Plan
) -> Asking[Event, None]:
    images = None if plan.low_res is None else plan.low_res.expand(len(plan), -1, -1, -1)
    for stage, how in stages:
        images = yield from stage.asking(
            prompt, plan.seeds, low_res=images, how=how, dtype=plan.dtype
        )
        yield StageDone(stage.config.name, images)
