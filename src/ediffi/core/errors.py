"""What goes wrong and is the user's to mend, and what the user should know though work goes on."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError

Listener = Callable[[str], None]


class UserError(ValueError):
    """Bad input: the message says what was wrong, where, and what to do."""

    @classmethod
    def of(cls, error: ValidationError, what: str = "") -> UserError:
        """The first complaint of pydantic, behind the place it is about; what: holds that place."""
        first = error.errors()[0]
        cause = first.get("ctx", {}).get("error")
        if isinstance(cause, UserError):  # raised by a validator of ours: says all by itself
            return cause
        path = ".".join(str(part) for part in first["loc"])
        place = ", ".join(part for part in (what, path) if part) or "the input"
        return cls(f"{place}: {cause or first['msg']}")


class Notice(UserWarning):
    """Something the user should know, though the work goes on: a cut prompt, a cropped picture."""


_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


def note(message: str) -> None:
    """Tell the user something: to the listener of `noted_by`, else as a `Notice` warning that
    points at the first line outside the package."""
    listener = _listener.get()
    if listener is not None:
        listener(message)
        return
    level, frame = 2, sys._getframe(1)
    while frame.f_back and frame.f_globals["__name__"].startswith(("ediffi.", "pydantic.")):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, Notice, stacklevel=level)


@contextmanager
def noted_by(listener: Listener | None) -> Iterator[None]:
    """Within this block, and this thread, `note` goes to `listener`; None: back to warnings."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)
