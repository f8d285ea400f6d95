"""Filters of prompts and pictures, chosen by whoever runs a model; every verdict is visible.

A filter is a plug-in: an entry point of an installed package, in one of two groups.

    [project.entry-points."ediffi.prompt_filters"]
    house-rules = "my_package:check_prompt"      # (prompt: str) -> Verdict
    [project.entry-points."ediffi.picture_filters"]
    my-eyes = "my_package:check_picture"         # (picture: PIL.Image.Image) -> Verdict

What is refused is said, and by which filter: no picture is blackened or changed in silence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from PIL import Image

from ediffi.core.errors import UserError

PROMPTS, PICTURES = "ediffi.prompt_filters", "ediffi.picture_filters"


@dataclass(frozen=True)
class Verdict:
    """What a filter says. reason: why not, or what was looked at; score: in [0, 1], if it has
    one, 1 for surely not allowed."""

    allowed: bool
    reason: str = ""
    score: float | None = None


@dataclass(frozen=True)
class Told:
    """A verdict, and the filter that gave it."""

    filter: str
    verdict: Verdict

    def as_json(self) -> dict[str, Any]:
        """For picture files and programs."""
        said = {"filter": self.filter, "allowed": self.verdict.allowed}
        if self.verdict.score is not None:
            said["score"] = round(self.verdict.score, 4)
        return said | ({"reason": self.verdict.reason} if self.verdict.reason else {})


class Refused(UserError):
    """A filter does not allow it. told: the verdicts of all filters that looked."""

    def __init__(self, what: str, told: Sequence[Told]) -> None:
        against = [one for one in told if not one.verdict.allowed]
        reasons = "; ".join(f"{one.filter}: {one.verdict.reason}" for one in against)
        super().__init__(f"{what} was refused by a filter ({reasons})")
        self.told = tuple(told)


PromptFilter = Callable[[str], Verdict]
PictureFilter = Callable[[Image.Image], Verdict]


@dataclass(frozen=True)
class Filters:
    """The filters that are on, by name."""

    prompts: dict[str, PromptFilter] = field(default_factory=dict)
    pictures: dict[str, PictureFilter] = field(default_factory=dict)

    @classmethod
    def named(cls, names: Iterable[str]) -> Filters:
        """Filters of installed packages.

        Raises:
            UserError: there is none of that name, or it cannot be loaded.
        """
        known = {
            group: {e.name: e for e in entry_points(group=group)} for group in (PROMPTS, PICTURES)
        }
        found = cls()
        for name in names:
            groups = [group for group in known if name in known[group]]
            if not groups:
                installed = sorted(known[PROMPTS].keys() | known[PICTURES].keys())
                raise UserError(
                    f"no filter {name!r} is installed: there are {', '.join(installed) or 'none'}"
                )
            for group in groups:
                target: dict[str, Any] = found.prompts if group == PROMPTS else found.pictures
                target[name] = _loaded(known[group][name])
        return found

    def check_prompt(self, prompt: str) -> tuple[Told, ...]:
        """The verdicts on a prompt.

        Raises:
            Refused: a filter does not allow it.
        """
        told = tuple(Told(name, check(prompt)) for name, check in self.prompts.items())
        return _allowed(f"the prompt {prompt!r}", told)

    def check_picture(self, picture: Image.Image, what: str = "the picture") -> tuple[Told, ...]:
        """The verdicts on a picture. what: to call it in the error.

        Raises:
            Refused: a filter does not allow it.
        """
        told = tuple(Told(name, check(picture)) for name, check in self.pictures.items())
        return _allowed(what, told)


def _loaded(point: EntryPoint) -> Any:
    try:
        return point.load()
    except (ImportError, AttributeError) as error:
        raise UserError(f"the filter {point.name!r} cannot be loaded: {error}") from error


def _allowed(what: str, told: tuple[Told, ...]) -> tuple[Told, ...]:
    if not all(one.verdict.allowed for one in told):
        raise Refused(what, told)
    return told
