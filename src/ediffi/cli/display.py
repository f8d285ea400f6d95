"""What a person sees while pictures are drawn: seconds by part, a bar, a preview file."""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ediffi.core.errors import UserError

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

    from ediffi.core.types import Progress


class Clock:
    """Seconds spent on each part of the work."""

    def __init__(self) -> None:
        self.parts: dict[str, float] = {}
        self._start = self._last = time.perf_counter()

    def mark(self, part: str) -> None:
        """The time since the last mark went into `part`."""
        now = time.perf_counter()
        self.parts[part] = self.parts.get(part, 0.0) + now - self._last
        self._last = now

    def line(self) -> str:
        parts = [f"{part} {seconds:.2f} s" for part, seconds in self.parts.items()]
        return ", ".join([*parts, f"total {self._last - self._start:.2f} s"])


def how_to_open(pictures: Sequence[Path]) -> str:
    """Where the pictures are and how to look at the first, for a person."""
    command = {"darwin": "open", "win32": "start"}.get(sys.platform, "xdg-open")
    first = pictures[0].absolute()
    what = str(first) if len(pictures) == 1 else f"{len(pictures)} pictures in {first.parent}"
    return f"{what} (to look: {command} {shlex.quote(str(pictures[0]))}, or --open next time)"


@contextmanager
def work_bars(*, stderr: bool = True, quiet: bool = False) -> Iterator[Bar]:
    """Bars for work of known length: what, how much of how much, how long still. stderr: not where
    lines that are printed between them are the output; quiet: none where nobody looks."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    console = Console(stderr=stderr)
    columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=quiet and not console.is_terminal) as bars:
        yield bars


@contextmanager
def report_bars() -> Iterator[Callable[[str, int, int], None]]:
    """A bar for each thing that is reported on: what, how many more are done, of how many."""
    tasks: dict[str, TaskID] = {}
    with work_bars() as bars:

        def report(what: str, more: int, total: int) -> None:
            if what not in tasks or bars.tasks[tasks[what]].finished:
                tasks[what] = bars.add_task(what, total=total)
            bars.advance(tasks[what], more)

        yield report


@contextmanager
def progress_bar(total_pictures: int) -> Iterator[ProgressBar]:
    """A bar on stderr, silent where stderr is not a terminal."""
    with work_bars(quiet=True) as bar:
        yield ProgressBar(bar, total_pictures)


class ProgressBar:
    """One line per stage, started over for every batch of pictures."""

    def __init__(self, bar: Bar, total_pictures: int) -> None:
        self._bar = bar
        self._total = total_pictures
        self._which = ""
        self._tasks: dict[str, TaskID] = {}

    def begin(self, first: int, last: int) -> None:
        """Pictures first to last, counted from 1, are drawn now."""
        which = f"{first}" if first == last else f"{first}-{last}"
        self._which = "" if self._total == 1 else f" {which} of {self._total}"

    def show(self, event: Progress) -> None:
        """A step is done."""
        expert = f", {event.expert}" if event.expert else ""
        text = f"{event.stage}{self._which}{expert}"
        if event.stage not in self._tasks:
            self._tasks[event.stage] = self._bar.add_task(text, total=event.num_steps)
        self._bar.update(self._tasks[event.stage], description=text, completed=event.step)


class Preview:
    """A small picture file that follows the drawing; it goes at the end of the `with` block."""

    SECONDS, SIDE = 0.5, 512

    def __init__(self, path: Path) -> None:
        """Raises UserError: there is such a file already, which would be lost."""
        if os.path.lexists(path):
            raise UserError(f"--preview would overwrite {path}: move that file away first")
        self.path = path
        self._due = 0.0

    def show(self, event: Progress) -> None:
        """Write the current guess, at most twice a second."""
        from ediffi.output import save_sheet, to_uint8

        if time.monotonic() >= self._due or event.step == event.num_steps:
            save_sheet(self.path, to_uint8(event.preview), max_side=self.SIDE)
            self._due = time.monotonic() + self.SECONDS

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: object) -> None:
        with suppress(OSError):  # it may never have been written; and no second error
            self.path.unlink()
