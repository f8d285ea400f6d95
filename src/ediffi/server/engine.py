"""One thread that draws: it drives many runs at once and answers together what is alike."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch

from ediffi.core.types import Event
from ediffi.model.asks import Ask, Asking, Denoise, Prepare
from ediffi.model.stage import Stage
from ediffi.server.batching import Together, alike, measured_budget
from ediffi.server.fair import Shares, Turns

log = logging.getLogger(__name__)


class Work(Protocol):
    """Pictures to draw, each by a run of its own. The engine calls these in its thread."""

    client: str
    num_pictures: int

    def start(self) -> Sequence[Asking[Event, None]]:
        """A run for every picture. What it raises ends the work."""

    def moved(self, position: int) -> None:
        """It waits, behind so many others."""

    def happened(self, picture: int, event: Event) -> None:
        """A run has come further."""

    def ended(self, error: BaseException | None) -> None:
        """All runs are through; or one has failed and the others are given up; or, with
        `Cancelled`, it was cancelled."""


class Cancelled(Exception):
    """The work was cancelled, or the engine stopped."""


@dataclass(eq=False)
class _Lane:
    """A run that is being driven, and what it waits for."""

    work: Work
    picture: int
    run: Asking[Event, None]
    ask: Ask = field(init=False)

    @property
    def stage(self) -> str:
        return str(self.ask.stage.config.name)


@dataclass(frozen=True)
class Evaluation:
    """What the engine has computed: for metrics."""

    stage: str
    pictures: int
    seconds: float


class Engine:
    """Draws the pictures of many works at once.

    Works wait in a queue in which clients take turns. Those that have started share the machine by
    time: client by client and, of one client, stage by stage, so that drafts do not wait for large
    pictures. What is `alike` is answered together, as many pictures at a time as `budgets` say.
    Works join and leave between any two evaluations.

    Args:
        most: pictures that are being drawn at once; the others wait.
        budgets: pictures that are best evaluated together, by stage; a stage that is missing is
            measured when it is first met.
        evaluated: told of every evaluation.
        warm: stages whose budgets are measured first.
    """

    def __init__(
        self,
        *,
        most: int = 16,
        budgets: dict[str, int] | None = None,
        evaluated: Callable[[Evaluation], None] = lambda _: None,
        warm: Sequence[Stage] = (),
    ) -> None:
        self.most = most
        self.budgets = dict(budgets or {})
        self._evaluated = evaluated
        self._warm = warm
        self.ready = threading.Event()
        self._changed = threading.Condition()
        self._waiting: Turns[Work] = Turns()
        self._cancelled: set[Work] = set()
        self._stopping = False
        self._lanes: list[_Lane] = []
        self._clients: Shares[str] = Shares()
        self._stages: dict[str, Shares[str]] = {}
        self._together = Together()
        self._thread = threading.Thread(target=self._loop, name="engine", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def add(self, work: Work) -> None:
        """Let it wait for its turn."""
        with self._changed:
            if self._stopping:
                raise RuntimeError("the engine has stopped")
            self._waiting.add(work.client, work)
            self._changed.notify()

    def cancel(self, work: Work) -> None:
        """End it at once if it waits, else before the next evaluation."""
        with self._changed:
            self._cancelled.add(work)
            self._changed.notify()

    def stop(self) -> None:
        """End all works with `Cancelled` before the next evaluation, and the thread with them."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread.ident is not None:
            self._thread.join()

    @property
    def alive(self) -> bool:
        """Whether its thread runs."""
        return self._thread.is_alive()

    @property
    def num_waiting(self) -> int:
        with self._changed:
            return len(self._waiting)

    @property
    def num_active(self) -> int:
        """Pictures that are being drawn."""
        return len(self._lanes)

    def waiting_of(self, client: str) -> int:
        with self._changed:
            return self._waiting.of(client)

    # Everything below is in the engine's thread.

    def _loop(self) -> None:
        for stage in self._warm:
            self._budget(stage)
        self.ready.set()
        while True:
            with self._changed:
                while not (self._waiting or self._lanes or self._cancelled or self._stopping):
                    self._together.forget()
                    self._changed.wait()
                cancelled, self._cancelled = self._cancelled, set()
                if self._stopping:
                    cancelled |= {*self._waiting, *(lane.work for lane in self._lanes)}
                waited = [work for work in cancelled if self._waiting.discard(work)]
            for work in cancelled:
                if work in waited or any(lane.work is work for lane in self._lanes):
                    self._end(work, Cancelled())
            if self._stopping:
                return
            self._admit()
            if self._lanes:
                self._answer(self._next())

    def _admit(self) -> None:
        """Start works while there is room, and tell those that wait where they are."""
        started: list[Work] = []
        with self._changed:
            room = self.most - len(self._lanes)
            for work in list(self._waiting):
                if work.num_pictures > room and (self._lanes or started):
                    break
                started.append(self._waiting.pop())
                room -= work.num_pictures
            waiting = list(self._waiting)
        for work in started:
            try:
                runs = work.start()
            except Exception as error:
                self._end(work, error)
                continue
            lanes = [_Lane(work, picture, run) for picture, run in enumerate(runs)]
            self._lanes += lanes
            for lane in lanes:
                if lane in self._lanes:  # another may have failed, and the work with it
                    self._advance(lane, None)
        for position, work in enumerate(waiting, 1):
            work.moved(position)

    def _next(self) -> list[_Lane]:
        """Whose asks are answered now: one by turn, and those that are alike with it."""
        clients = list(dict.fromkeys(lane.work.client for lane in self._lanes))
        client = self._clients.turn(clients)
        self._stages = {key: value for key, value in self._stages.items() if key in clients}
        shares = self._stages.setdefault(client, Shares())
        own = [lane for lane in self._lanes if lane.work.client == client]
        stage = shares.turn(list(dict.fromkeys(lane.stage for lane in own)))
        first = next(lane for lane in own if lane.stage == stage)
        key, chosen = alike(first.ask), [first]
        room = self._budget(first.ask.stage) - len(first.ask.cond)
        for lane in self._lanes:
            if room <= 0:
                break
            if lane is not first and len(lane.ask.cond) <= room and alike(lane.ask) == key:
                chosen.append(lane)
                room -= len(lane.ask.cond)
        return sorted(chosen, key=self._lanes.index)

    def _budget(self, stage: Stage) -> int:
        name = str(stage.config.name)
        if name not in self.budgets and not self._stopping:
            self.budgets[name] = measured_budget(stage, torch.bfloat16)
            log.info("stage %s: %d pictures at a time", name, self.budgets[name])
        return self.budgets.get(name, 1)

    def _answer(self, lanes: Sequence[_Lane]) -> None:
        """Answer the asks of these, and charge their clients."""
        start, stage = time.perf_counter(), lanes[0].stage
        asks = [lane.ask for lane in lanes]
        for lane, answer in zip(lanes, self._computed(asks), strict=True):
            if isinstance(answer, Exception):
                self._end(lane.work, answer)
            elif lane in self._lanes:  # a run of the same work may have failed just now
                self._advance(lane, answer)
        seconds = time.perf_counter() - start
        for lane in lanes:
            self._clients.charge(lane.work.client, seconds / len(lanes))
            if lane.work.client in self._stages:
                self._stages[lane.work.client].charge(stage, seconds / len(lanes))
        self._evaluated(Evaluation(stage, len(lanes), seconds))

    def _computed(self, asks: Sequence[Ask]) -> list[Any]:
        """Their answers. Where together they fail, each is asked alone: its error hits no other."""
        try:
            return self._together.answers(asks)
        except Exception as error:
            if len(asks) == 1:
                return [error]
            log.warning("a batch of %d failed: %s; each is computed alone", len(asks), error)
            return [answer for ask in asks for answer in self._computed([ask])]

    def _advance(self, lane: _Lane, answer: Any) -> None:
        """Let a run go on to its next ask."""
        try:
            while True:
                event = lane.run.send(answer)
                if isinstance(event, Prepare | Denoise):
                    lane.ask = event
                    return
                answer = None
                lane.work.happened(lane.picture, event)
        except StopIteration:
            self._lanes.remove(lane)
            if all(other.work is not lane.work for other in self._lanes):
                lane.work.ended(None)
        except Exception as error:
            self._end(lane.work, error)

    def _end(self, work: Work, error: BaseException) -> None:
        """Give up what is left of a work."""
        for lane in [lane for lane in self._lanes if lane.work is work]:
            self._lanes.remove(lane)
            lane.run.close()
        try:
            work.ended(error)
        except Exception:
            log.exception("what listens to a work has failed")
