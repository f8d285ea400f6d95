"""`ediffi serve` as a process of its own, and the engine alone."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import httpx2

from ediffi.core.types import Event
from ediffi.model import Cascade, Request
from ediffi.model.asks import Asking
from ediffi.model.run import asking, encode
from ediffi.server.engine import Engine

READY = 300.0  # seconds to start in, at most


class Process:
    """A server on any free port. data: its folder, which outlives it."""

    def __init__(self, model: str, data: Path, *options: str) -> None:
        self.command = [sys.executable, "-m", "ediffi.cli.main", "serve", "--port", "0"]
        self.command += ["--model", model, "--data", str(data), *options]
        self.url = ""
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Comes back when it is ready."""
        self._process = subprocess.Popen(self.command, stderr=subprocess.PIPE, text=True)
        assert self._process.stderr is not None
        for line in self._process.stderr:
            found = re.search(r"serving on (http://\S+)", line)
            if found:
                self.url = found[1]
                break
        threading.Thread(target=self._process.stderr.read, daemon=True).start()  # it may go on
        deadline = time.monotonic() + READY
        while time.monotonic() < deadline:
            try:
                if httpx2.get(f"{self.url}/readyz", timeout=30).status_code == 200:
                    return
            except httpx2.TransportError:
                pass
            time.sleep(0.2)
        raise TimeoutError("the server is not ready")

    def resident(self) -> int:
        """Bytes of memory that it holds (Linux)."""
        assert self._process is not None
        pages = Path(f"/proc/{self._process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def kill(self) -> None:
        """At once, without a word."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """As Ctrl-C does."""
        self._end(signal.SIGINT)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait()
            self._process = None


class _Draft:
    """A picture for the engine to draw, thrown away."""

    client, num_pictures = "study", 1

    def __init__(self, cascade: Cascade, request: Request) -> None:
        self.cascade, self.plan = cascade, cascade.plan(request)
        self.over = threading.Event()

    def start(self) -> Sequence[Asking[Event, None]]:
        return [asking(self.plan, encode(self.plan, self.cascade), self.cascade)]

    def moved(self, position: int) -> None:
        pass

    def happened(self, picture: int, event: Event) -> None:
        pass

    def ended(self, error: BaseException | None) -> None:
        self.over.set()


def batching_gain(
    cascade: Cascade, *, resolution: int, drafts: int = 16, rounds: int = 3
) -> dict[str, Any]:
    """Processor seconds of a picture with batches and without, in turns, and their ratio."""
    measured = Engine(warm=[cascade.stages[0]])
    measured.start()
    measured.ready.wait()
    measured.stop()
    ones = dict.fromkeys((str(stage.name) for stage in cascade.config.stages), 1)
    ways = {"together": {**ones, **measured.budgets}, "alone": ones}
    spent: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way, budgets in ways.items():
            spent[way].append(_time(cascade, budgets, resolution, drafts))
    medians = {way: median(times) for way, times in spent.items()}
    ratio = medians["alone"] / medians["together"]
    return {"budgets": measured.budgets, "seconds a picture": medians, "ratio": ratio}


def _time(cascade: Cascade, budgets: dict[str, int], resolution: int, drafts: int) -> float:
    request = Request.of(prompts="a cat", stop_at=resolution)
    works = [_Draft(cascade, request) for _ in range(drafts)]
    engine = Engine(budgets=budgets)
    start = time.process_time()
    for work in works:
        engine.add(work)
    engine.start()
    for work in works:
        work.over.wait()
    engine.stop()
    return (time.process_time() - start) / drafts
