"""The engine draws for many at once what each would get alone; who leaves or fails hurts nobody."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from ediffi.core.errors import UserError
from ediffi.core.types import Event, Progress, StageDone
from ediffi.model import Cascade, Plan, Request
from ediffi.model.asks import Asking
from ediffi.model.run import asking, encode
from ediffi.server.engine import Cancelled, Engine, Evaluation

BUDGETS = {"base": 8, "sr256": 4, "sr1024": 2}


class Drawing:
    """A work that remembers what happened to it."""

    def __init__(self, cascade: Cascade, client: str = "somebody", **request: Any) -> None:
        self.client = client
        self.cascade = cascade
        self.plan: Plan = cascade.plan(Request.of(**{"dtype": "fp32", **request}))
        self.num_pictures = len(self.plan)
        self.pictures: dict[int, Tensor] = {}
        self.events: list[Event] = []
        self.positions: list[int] = []
        self.error: BaseException | None = None
        self.over = threading.Event()
        self.at: Callable[[Event], None] = lambda _: None

    def start(self) -> Sequence[Asking[Event, None]]:
        prompt = encode(self.plan, self.cascade)
        return [
            asking(part, prompt.map(lambda t, n=n: t[n : n + 1]), self.cascade)  # type: ignore[misc]
            for n, part in enumerate(self.plan.batches(1))
        ]

    def moved(self, position: int) -> None:
        self.positions.append(position)

    def happened(self, picture: int, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, StageDone):
            self.pictures[picture] = event.images
        self.at(event)

    def ended(self, error: BaseException | None) -> None:
        self.error = error
        self.over.set()

    def alone(self) -> Tensor:
        """The pictures that the cascade draws one by one."""
        parts = [list(self.cascade.run(part))[-1] for part in self.plan.batches(1)]
        return torch.cat([part.images for part in parts if isinstance(part, StageDone)])

    def drawn(self) -> Tensor:
        assert self.over.wait(60) and self.error is None, self.error
        return torch.cat([self.pictures[n] for n in range(self.num_pictures)])


@pytest.fixture(scope="module")
def cascade(model_folder: Path) -> Cascade:
    return Cascade.from_pretrained(model_folder)


@pytest.fixture
def evaluations() -> list[Evaluation]:
    return []


@pytest.fixture
def engine(evaluations: list[Evaluation]) -> Iterator[Engine]:
    engine = Engine(budgets=BUDGETS, evaluated=evaluations.append)
    yield engine
    engine.stop()


@pytest.mark.filterwarnings("ignore::ediffi.core.errors.Notice")
def test_many_at_once_get_what_each_gets_alone(
    cascade: Cascade, engine: Engine, evaluations: list[Evaluation]
) -> None:
    """Prompts of other lengths, other guidance, other steps, another sampler, regions, tiles."""
    box = {"regions": [{"phrase": "fox", "box": [0, 0, 0.5, 1]}]}
    works = [
        Drawing(cascade, prompts="a cat", seeds=1, stop_at=64),
        Drawing(
            cascade, prompts="a red fox next to a blue rocket in the tree", seeds=2, stop_at=64
        ),
        Drawing(cascade, prompts="a tree", seeds=3, num_images=3, stop_at=64, guidance_scale=1.0),
        Drawing(cascade, prompts="a tree", seeds=4, stop_at=64, guidance_scale=[5.0, 2.0]),
        Drawing(cascade, prompts="a rocket", seeds=5, num_steps=[7, 2, 1]),
        Drawing(cascade, prompts="a rocket", seeds=6, stop_at=64, sampler="heun"),
        Drawing(cascade, prompts="a red fox and a cat", seeds=7, stop_at=64, regions=box),
        Drawing(cascade, prompts="a fox", seeds=8, stop_at=16),
        Drawing(cascade, prompts="a cat", seeds=9, tile=64),
    ]
    expected = [work.alone() for work in works]
    for work in works:
        engine.add(work)
    engine.start()
    for work, pictures in zip(works, expected, strict=True):
        torch.testing.assert_close(work.drawn(), pictures, atol=1e-4, rtol=0)
    assert max(e.pictures for e in evaluations if e.stage == "base") >= 6
    assert max(e.pictures for e in evaluations if e.stage == "sr256") >= 3
    steps = [e for e in works[4].events if isinstance(e, Progress)]
    assert [(e.stage, e.num_steps) for e in steps if e.step == 1] == [
        ("base", 7),
        ("sr256", 2),
        ("sr1024", 1),
    ]


def test_bf16_batches_are_within_a_level_on_average(cascade: Cascade, engine: Engine) -> None:
    works = [
        Drawing(cascade, prompts=prompt, seeds=n, stop_at=64, dtype="bf16")
        for n, prompt in enumerate(["a cat", "a red fox in a tree", "a rocket", "a tree"])
    ]
    for work in works:
        engine.add(work)
    engine.start()
    for work in works:
        assert (work.drawn() - work.alone()).abs().mean() < 2 / 255  # 1/255 of the range of 2


def test_one_joins_and_one_leaves_in_the_middle(cascade: Cascade, engine: Engine) -> None:
    """A cancelled work ends before the next evaluation, and hurts none that it was batched with."""
    first = Drawing(cascade, prompts="a cat", seeds=1, num_steps=[12, 1], stop_at=64)
    leaves = Drawing(cascade, prompts="a red fox", seeds=2, num_steps=[12, 1], stop_at=64)
    joins = Drawing(cascade, prompts="a tree", seeds=3, num_steps=[12, 1], stop_at=64)

    def at(event: Event) -> None:
        if isinstance(event, Progress) and event.step == 3:
            engine.add(joins)
        if isinstance(event, Progress) and event.step == 6:
            engine.cancel(leaves)

    first.at = at
    engine.add(first)
    engine.add(leaves)
    engine.start()
    torch.testing.assert_close(first.drawn(), first.alone(), atol=1e-4, rtol=0)
    torch.testing.assert_close(joins.drawn(), joins.alone(), atol=1e-4, rtol=0)
    assert leaves.over.wait(10) and isinstance(leaves.error, Cancelled)
    steps = [event.step for event in leaves.events if isinstance(event, Progress)]
    assert steps == list(range(1, 7)) and not leaves.pictures


def test_what_fails_alone_fails_alone(
    cascade: Cascade, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A picture at which the network breaks, in a batch with others; a start that breaks."""
    good = [Drawing(cascade, prompts="a cat", seeds=n, stop_at=16) for n in (1, 2)]
    bad = Drawing(cascade, prompts="a red fox", seeds=3, stop_at=16)
    worse = Drawing(cascade, prompts="a tree", seeds=4, stop_at=16)
    expected = [work.alone() for work in good]
    monkeypatch.setattr(worse, "start", lambda: 1 / 0)
    network = cascade.stage("base").denoiser.network
    forward = network.forward
    poison = encode(bad.plan, cascade).tokens["t5"].pooled[0]

    def breaks(x: Tensor, sigma: Tensor, cond: Any) -> Tensor:
        pooled = cond.prompt.tokens["t5"].pooled
        if any(torch.equal(row, poison) for row in pooled):
            raise RuntimeError("no memory for this one")
        answer: Tensor = forward(x, sigma, cond)
        return answer

    monkeypatch.setattr(network, "forward", breaks)
    for work in (good[0], bad, worse, good[1]):
        engine.add(work)
    engine.start()
    for work, pictures in zip(good, expected, strict=True):
        torch.testing.assert_close(work.drawn(), pictures, atol=1e-4, rtol=0)
    assert bad.over.wait(10) and "no memory" in str(bad.error)
    assert worse.over.wait(10) and isinstance(worse.error, ZeroDivisionError)


def test_a_picture_that_is_not_finite_fails_its_own_work(cascade: Cascade, engine: Engine) -> None:
    wild = Drawing(cascade, prompts="a cat", seeds=1, stop_at=16, guidance_scale=100.0)
    wild.plan.stages[0][1].__dict__["guidance_scale"] = float("inf")
    good = Drawing(cascade, prompts="a tree", seeds=2, stop_at=16)
    engine.add(wild)
    engine.add(good)
    engine.start()
    torch.testing.assert_close(good.drawn(), good.alone(), atol=1e-4, rtol=0)
    assert wild.over.wait(10) and isinstance(wild.error, UserError)


def test_clients_take_turns(cascade: Cascade) -> None:
    """One who asks for much does not keep another waiting."""
    engine = Engine(most=1, budgets=BUDGETS)
    order: list[str] = []
    works = []
    for client in ("greedy", "greedy", "greedy", "modest"):
        work = Drawing(cascade, client, prompts="a cat", stop_at=16)
        work.at = lambda event, client=client: (  # type: ignore[misc]
            order.append(client) if isinstance(event, StageDone) else None
        )
        works.append(work)
        engine.add(work)
    engine.start()
    for work in works:
        work.drawn()
    engine.stop()
    assert order == ["greedy", "modest", "greedy", "greedy"]
    assert works[2].positions == sorted(works[2].positions, reverse=True)
    assert works[2].positions[0] == 3 and works[3].positions[0] == 1


def test_drafts_do_not_wait_for_large_pictures(cascade: Cascade, engine: Engine) -> None:
    large = Drawing(cascade, prompts="a cat", num_steps=[1, 1, 30])
    draft = Drawing(cascade, prompts="a tree", stop_at=16)

    def at(event: Event) -> None:
        if isinstance(event, Progress) and (event.stage, event.step) == ("sr1024", 1):
            engine.add(draft)

    large.at = at
    engine.add(large)
    engine.start()
    draft.drawn()
    assert not large.over.is_set()
    large.drawn()


def test_stopping_ends_everything(cascade: Cascade) -> None:
    engine = Engine(most=1, budgets=BUDGETS)
    works = [Drawing(cascade, prompts="a cat", num_steps=[200, 1], stop_at=64) for _ in range(3)]
    for work in works:
        engine.add(work)
    engine.start()
    engine.stop()
    assert all(work.over.is_set() and isinstance(work.error, Cancelled) for work in works)
    assert not engine.alive
    with pytest.raises(RuntimeError, match="has stopped"):
        engine.add(works[0])


def test_budgets_are_measured(cascade: Cascade) -> None:
    engine = Engine(warm=cascade.stages)
    engine.start()
    assert engine.ready.wait(60)
    engine.stop()
    assert engine.budgets.keys() == {"base", "sr256", "sr1024"}
    assert all(1 <= size <= 64 for size in engine.budgets.values())
