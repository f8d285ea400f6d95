"""An ensemble of expert denoisers, each for an interval of noise levels (eDiff-I section 4)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise
from threading import Lock

import torch
from pydantic import BaseModel, ConfigDict, Field, field_serializer, model_validator
from torch import Tensor, nn

from ediffi.core.errors import UserError
from ediffi.core.once import Once
from ediffi.core.types import StageInput


class Interval(BaseModel):
    """The noise levels sigma_min <= sigma < sigma_max of one expert.

    node: its name in the tree, "2.3" for index 3 of level 2. Infinity is written "inf" in JSON.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    node: str = Field(pattern=r"^[\w][\w.-]*$")
    sigma_min: float = Field(ge=0, allow_inf_nan=False)
    sigma_max: float

    @model_validator(mode="after")
    def _check(self) -> Interval:
        if not self.sigma_min < self.sigma_max:
            raise UserError(f"{self}: reversed or empty, sigma_min must be below sigma_max")
        return self

    @field_serializer("sigma_max", when_used="json")
    def _strict_json(self, sigma: float) -> float | str:
        return sigma if sigma < float("inf") else "inf"

    def __str__(self) -> str:
        return f"node {self.node} [{self.sigma_min:.4g}, {self.sigma_max:.4g})"

    def __contains__(self, sigma: float) -> bool:
        return self.sigma_min <= sigma < self.sigma_max


def check_tiling(intervals: Sequence[Interval]) -> None:
    """Every sigma from 0 up must meet exactly one interval; they come from low sigma to high.

    Raises:
        UserError: a gap or an overlap, and between which nodes.
    """
    if not intervals:
        raise UserError("an ensemble needs at least one expert")
    first, last = intervals[0], intervals[-1]
    if first.sigma_min != 0:
        raise UserError(f"gap: no expert below {first}, the first must start at sigma 0")
    for low, high in pairwise(intervals):
        if low.sigma_max < high.sigma_min:
            raise UserError(f"gap: no expert between {low} and {high}")
        if low.sigma_max > high.sigma_min:
            raise UserError(f"overlap: {low} and {high} share noise levels")
    if last.sigma_max != float("inf"):
        raise UserError(f"gap: no expert above {last}, the last must end at infinity")


class Router(nn.Module):
    """A denoiser that sends each sample to the expert of its own sigma, by `expert`.

    Samplers, guidance, painting and tiles see one denoiser. A batch of one expert, the usual one,
    is handed on as it is; a mixed one is split and put together again.
    """

    def __init__(self, intervals: Sequence[Interval]) -> None:
        """intervals: from low sigma to high, without gap or overlap.

        Raises:
            UserError: they do not tile the axis.
        """
        super().__init__()
        check_tiling(intervals)
        self.intervals = tuple(intervals)
        self._edges = [interval.sigma_min for interval in intervals[1:]]
        self._rows: Once[StageInput] = Once()

    def expert(self, number: int) -> nn.Module:
        """The denoiser of an interval."""
        raise NotImplementedError

    def active(self, sigma: float) -> Interval:
        """The node that answers at a noise level."""
        return self.intervals[self._number(sigma)]

    def forward(self, x: Tensor, sigma: Tensor, cond: StageInput) -> Tensor:
        """x (B, 3, H, W) and sigma (B,) -> x0 (B, 3, H, W), float32."""
        numbers = [self._number(s) for s in sigma.tolist()]
        met = sorted(set(numbers), reverse=True)
        if len(met) == 1:
            x0: Tensor = self.expert(met[0])(x, sigma, cond)
            return x0
        out = torch.empty_like(x, dtype=torch.float32)
        for number in met:
            rows = [row for row, its in enumerate(numbers) if its == number]
            part = self._rows(cond, tuple(rows), lambda rows=rows: cond.rows(rows))  # type: ignore[misc]
            out[rows] = self.expert(number)(x[rows], sigma[rows], part)
        return out

    def prepared(self, cond: StageInput, size: tuple[int, int], sigma_max: float) -> StageInput:
        """The input as the expert of that noise level prepares it; all have the same prior."""
        prepared: StageInput = self.expert(self._number(sigma_max)).prepared(cond, size, sigma_max)  # type: ignore[operator]
        return prepared

    def initial(self, noise: Tensor, sigma_max: float, cond: StageInput) -> Tensor:
        """Where sampling starts, as the expert of that noise level has it."""
        x: Tensor = self.expert(self._number(sigma_max)).initial(noise, sigma_max, cond)  # type: ignore[operator]
        return x

    def _number(self, sigma: float) -> int:
        return bisect_right(self._edges, sigma)


class Experts(Router):
    """Experts that are all in memory. They may share parameter objects (a common trunk).

    Args:
        denoisers: (x, sigma, cond) -> x0, with `initial`, one for each interval.
    """

    def __init__(self, denoisers: Sequence[nn.Module], intervals: Sequence[Interval]) -> None:
        super().__init__(intervals)
        if len(denoisers) != len(intervals):
            raise ValueError(f"{len(denoisers)} denoisers for {len(intervals)} intervals")
        self.denoisers = nn.ModuleList(denoisers)

    def expert(self, number: int) -> nn.Module:
        return self.denoisers[number]


class OneResident(Router):
    """Experts of which one is in memory, and the next, of lower sigma, is being read.

    Threads may share it: who meets another expert waits for it, and keeps its own meanwhile.

    Args:
        read: an interval's number -> its denoiser, ready to be called; called in a thread.
    """

    def __init__(self, read: Callable[[int], nn.Module], intervals: Sequence[Interval]) -> None:
        super().__init__(intervals)
        self._read = read
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="experts")
        self._lock = Lock()
        self._coming: tuple[int, Future[nn.Module]] | None = None
        self._current = len(intervals) - 1  # sampling starts at the top
        self.resident = read(self._current)

    def expert(self, number: int) -> nn.Module:
        with self._lock:
            if number != self._current:
                device = next(self.resident.parameters()).device
                self.resident = self._arrived(number).to(device)
                self._current = number
            if self._coming is None and number > 0:
                self._coming = number - 1, self._reader.submit(self._read, number - 1)
            return self.resident

    def _arrived(self, number: int) -> nn.Module:
        coming, self._coming = self._coming, None
        if coming is not None and coming[0] == number:
            return coming[1].result()
        return self._read(number)
