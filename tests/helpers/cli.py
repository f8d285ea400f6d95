"""The command as a person calls it, in this process."""

from __future__ import annotations

from ediffi.cli.main import main


def run(*args: object) -> int:
    """The exit code of `ediffi ARGS`."""
    return main([str(arg) for arg in args])
