"""From a request to everything that one model can tell of it without reading its weights."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import torch
from torch import Tensor

from ediffi.core.errors import UserError, note, noted_by
from ediffi.encoders import Style, check_prompt
from ediffi.encoders.prompt import EncodesText
from ediffi.language import Understood, Vocabulary, understand
from ediffi.language.languages import is_foreign
from ediffi.model.config import ModelConfig, Sampling, StageConfig
from ediffi.model.looks import with_look
from ediffi.model.options import per_stage, stages_to_run
from ediffi.model.people import with_people
from ediffi.model.request import DTYPES, Request
from ediffi.model.roles import check_listeners, roles_to_read
from ediffi.model.start import low_resolution
from ediffi.paint import Placement, place

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Subject:
    """What a picture shows. Pictures that differ in their seed alone share one.

    prompt: as it was asked; text: tidy and in the model's words, which encoders read; both None in
    a variation of the style.
    """

    prompt: str | None
    text: str | None
    style: Style | None
    placement: Placement | None = None


@dataclass(frozen=True)
class Plan:
    """What a request means for one model.

    stages: those that run, and how; roles: whose encoders are read; subjects, seeds: of every
    picture; low_res: (1, 3, h, w), what the first stage enlarges; notes: what the user should know.
    """

    stages: tuple[tuple[StageConfig, Sampling], ...]
    roles: tuple[str, ...]
    subjects: tuple[Subject, ...]
    seeds: tuple[int, ...]
    low_res: Tensor | None
    dtype: torch.dtype
    notes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.seeds)

    def batches(self, size: int) -> Iterator[Plan]:
        """Plans of at most `size` pictures each, in order."""
        for start in range(0, len(self), size):
            part = slice(start, start + size)
            yield replace(self, subjects=self.subjects[part], seeds=self.seeds[part])

    def described(self) -> dict[str, Any]:
        """How all pictures are made, as JSON values."""
        stages = [
            {
                "stage": s.name,
                "resolution": s.resolution,
                **how.model_dump(exclude_none=True),
                **({"experts": s.experts_met(how)} if s.experts else {}),
            }
            for s, how in self.stages
        ]
        dtype = next(name for name, dtype in DTYPES.items() if dtype == self.dtype)
        return {"encoders": ", ".join(self.roles), "dtype": dtype, "stages": stages}


def plan(
    request: Request,
    config: ModelConfig,
    roles: Collection[str],
    encoder: Callable[[], EncodesText] | None = None,
) -> Plan:
    """What the request means for the model of a configuration, whose encoders fill `roles`.

    encoder: gives its text encoder, see `understand`.

    Raises:
        UserError: the model cannot do it, or there is nothing in a prompt that it knows.
    """
    notes: dict[str, None] = {}
    with noted_by(notes.setdefault):
        stages = stages_to_run(config, request.stop_at, request.start_from)
        referred = any(request.style)
        roles = roles_to_read(roles, request.use, request.prompts is not None, referred)
        if referred:
            check_listeners(stages)
        low_res = None
        if request.start_from is not None:
            low_res = low_resolution(request.start_from, stages[0].input_resolution)
        how = per_stage(stages, request)
        seeds = _seeds(request)
        subjects = _subjects(request, config, seeds, encoder)
    return Plan(
        stages=tuple(zip(stages, how, strict=True)),
        roles=roles,
        subjects=subjects,
        seeds=seeds,
        low_res=low_res,
        dtype=request.dtype,
        notes=tuple(notes),
    )


def _seeds(request: Request) -> tuple[int, ...]:
    """One of each picture."""
    if len(request.seeds) == request.num_pictures:
        return request.seeds
    return tuple(range(request.seeds[0], request.seeds[0] + request.num_pictures))


def _subjects(
    request: Request,
    config: ModelConfig,
    seeds: Sequence[int],
    encoder: Callable[[], EncodesText] | None,
) -> tuple[Subject, ...]:
    """One of each picture, shared by those of a prompt unless seeds give them other looks."""
    num = request.num_pictures // request.num_images
    styles, paintings = _each(request.style, num), _each(request.regions, num)
    if request.prompts is None:
        each = [Subject(None, None, style) for style in styles]
        return tuple(subject for subject in each for _ in range(request.num_images))
    out: list[Subject] = []
    for prompt, style, painting in zip(request.prompts, styles, paintings, strict=True):
        tidy = check_prompt(prompt)
        understood = understand(tidy, config.claims, encoder, whole=request.anyway)
        _tell(understood, config.claims, request.anyway)
        text = understood.text
        placement = place(prompt, painting, understood) if painting else None
        subjects: dict[str, Subject] = {}
        for seed in seeds[len(out) : len(out) + request.num_images]:
            said = with_people(text, seed, request.people) if request.people else text
            said = with_look(config, said, seed, referred=bool(style)) if request.looks else said
            out.append(subjects.setdefault(said, Subject(prompt, said, style, placement)))
    return tuple(out)


def _each(given: Sequence[T], num: int) -> Sequence[T]:
    return given if len(given) == num else [*given] * num


def _tell(understood: Understood, vocabulary: Vocabulary, anyway: bool) -> None:
    """Note what was made of a prompt, and refuse one with nothing to draw in it."""
    if not understood.drawable:
        refusal = understood.refusal(vocabulary)
        if is_foreign(understood.text):  # no encoder reads it
            raise UserError(refusal)
        if not anyway:
            raise UserError(f"{refusal}; --anyway draws it all the same")
        note(refusal)
    for message in understood.notes:
        note(message)
