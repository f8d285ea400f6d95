"""Asks of several runs, answered by one evaluation of the network."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import torch
from torch import Tensor

from ediffi.core.types import Denoiser, Prompt, StageInput, Tokens
from ediffi.model.asks import Ask, Denoise, Prepare, inference
from ediffi.model.stage import Stage

GAIN = 1.2  # of pictures per second, that doubling a batch must bring
LONG = 0.5  # seconds of an evaluation, after which works may join and leave again
MOST = 64  # pictures in a batch
KEPT = 8  # stacked inputs, at most


def alike(ask: Ask) -> Hashable:
    """Asks of which this is equal can be answered together.

    Guidance scales and noise levels may differ; experts may not, each is a network of its own.
    """
    how, prompt = ask.how, ask.cond.prompt
    denoising = isinstance(ask, Denoise) and (
        ask.stage.expert(ask.sigma),
        how.tile,
        how.style_strength,
        how.guidance_interval,
        how.threshold_percentile,
        how.threshold_cap,
    )
    return (
        id(ask.stage),
        ask.dtype,
        denoising or how.sigma_max,
        frozenset(prompt.tokens),
        prompt.regions and prompt.regions.form,
        ask.cond.prior is None,
    )


@dataclass(frozen=True)
class _Stacked:
    """The inputs of several samplings as one. conds: whose ids the entry is found by, kept so that
    no other object gets them; rows: how many pictures each has."""

    conds: tuple[StageInput, ...]
    cond: StageInput
    denoise: Denoiser

    @property
    def rows(self) -> list[int]:
        return [len(cond) for cond in self.conds]


class Together:
    """Answers asks that are `alike`. Inputs that keep company are stacked once, so that what
    networks compute of an input once is computed once for the company."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[int, ...], _Stacked] = OrderedDict()

    def answers(self, asks: Sequence[Ask]) -> list[Any]:
        """What `Ask.answer` would give for each, but for rounding."""
        if len(asks) == 1:
            return [asks[0].answer()]
        if all(isinstance(ask, Prepare) for ask in asks):
            return self._prepared(asks)
        return self._denoised([ask for ask in asks if isinstance(ask, Denoise)])

    def forget(self) -> None:
        """Let go of inputs that were kept: their company has parted."""
        self._kept.clear()

    def _prepared(self, asks: Sequence[Ask]) -> list[StageInput]:
        first = asks[0]
        whole = Prepare(first.stage, _stack([a.cond for a in asks]), first.how, first.dtype)
        done, start, out = whole.answer(), 0, []
        for ask in asks:
            out.append(done.rows(slice(start, start + len(ask.cond))))
            start += len(ask.cond)
        return out

    def _denoised(self, asks: Sequence[Denoise]) -> list[Tensor]:
        stacked = self._stacked(asks)
        sigmas = torch.tensor([ask.sigma for ask in asks])
        sigma = sigmas.repeat_interleave(torch.tensor(stacked.rows)).to(asks[0].x.device)
        x0 = stacked.denoise(torch.cat([ask.x for ask in asks]), sigma, stacked.cond)
        return [part.clone() for part in x0.split(stacked.rows)]

    def _stacked(self, asks: Sequence[Denoise]) -> _Stacked:
        key = tuple(id(ask.cond) for ask in asks)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        first, conds = asks[0], tuple(ask.cond for ask in asks)
        scales = [ask.how.guidance_scale for ask in asks for _ in range(len(ask.cond))]
        denoise = first.stage.denoise_with(
            first.how, first.dtype, guidance_scale=torch.tensor(scales)
        )
        self._kept[key] = _Stacked(conds, _stack(conds), denoise)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return self._kept[key]


def _stack(conds: Sequence[StageInput]) -> StageInput:
    return reduce(StageInput.stack, conds)


def measured_budget(stage: Stage, dtype: torch.dtype) -> int:
    """How many pictures of a stage are best evaluated together on this machine: batches are doubled
    while that raises the pictures per second by `GAIN`, and an evaluation is not too `LONG`."""
    best, size = _seconds(stage, 1, dtype), 1
    while 1.5 * best * size < LONG and size < MOST:
        try:
            doubled = _seconds(stage, 2 * size, dtype) / (2 * size)
        except torch.OutOfMemoryError:
            break
        if best / doubled < GAIN:
            break
        best, size = doubled, 2 * size
    return size


def _seconds(stage: Stage, size: int, dtype: torch.dtype) -> float:
    """What one evaluation of a batch takes: the best of some, fewer where it takes long. On a CPU
    it is processor time, in which other work on the machine does not count."""
    config, how = stage.config, stage.config.sampling
    low = config.input_resolution
    low_res = None if config.network.scale == 1 else torch.zeros(size, 3, low, low)
    x = torch.zeros(size, 3, config.resolution, config.resolution, device=stage.device)
    sigma = torch.full((size,), how.sigma_max, device=stage.device)
    clock = time.process_time if stage.device.type == "cpu" else time.perf_counter
    seconds: list[float] = []
    with inference(stage.device, dtype):
        cond = stage.condition(_silence(config.network.roles, size), range(size), low_res, 0.0)
        stage.denoiser(x, sigma, cond)  # computes what is kept
        while len(seconds) < 3 and sum(seconds) < LONG:
            start = clock()
            stage.denoiser(x, sigma, cond).sum().item()
            seconds.append(clock() - start)
    return min(seconds)


def _silence(roles: dict[str, int], size: int) -> Prompt:
    """A prompt of as many tokens as usual, that say nothing."""
    length = 24
    tokens = {
        role: Tokens(
            torch.zeros(size, length, width),
            torch.ones(size, length, dtype=torch.bool),
            torch.zeros(size, width),
        )
        for role, width in roles.items()
    }
    return Prompt(tokens, {role: torch.ones(size, dtype=torch.bool) for role in roles})
