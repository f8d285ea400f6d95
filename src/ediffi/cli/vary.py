"""`ediffi vary`: other pictures like a picture, without a word."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Annotated, Any

import typer

from ediffi.cli.generate import draw, generate

# options of `generate` that a picture replaces
WORDY = ("prompt", "prompts", "use", "style", "looks")


def vary(
    picture: Annotated[Path, typer.Argument(help="The picture to vary.")],
    **options: Any,
) -> None:
    """Draw variations of a picture.

    Its CLIP image embedding is all that the model is told. Takes the other options of `generate`.
    Examples:

    ediffi vary fox.png -n 4 -o foxes.png

    ediffi vary fox.png --stop-at 64 --style-strength 0.7
    """
    wordless: dict[str, Any] = dict.fromkeys(WORDY)
    draw(**wordless, varied=picture, **options)


def _with_options_of_generate() -> None:
    """Give `vary` the parameters of `generate` that go with a picture in place of **options."""
    theirs = inspect.signature(generate, eval_str=True).parameters
    ours = list(inspect.signature(vary, eval_str=True).parameters.values())[:-1]
    both = [*ours, *(p for name, p in theirs.items() if name not in WORDY)]
    vary.__signature__ = inspect.Signature(both)  # type: ignore[attr-defined]


_with_options_of_generate()
