"""What `generate`, `paint` and `vary` share: a request becomes picture files."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ediffi.cli.display import Clock, Preview, ProgressBar, how_to_open, progress_bar
from ediffi.cli.options import Drawing, Given
from ediffi.core.errors import UserError, note
from ediffi.core.files import make_folder

if TYPE_CHECKING:
    from torch import Tensor

    from ediffi.core.types import Event
    from ediffi.model import Cascade, Plan

BATCH = 4  # pictures drawn at a time


@dataclass(frozen=True)
class Files:
    """Where pictures go. in_folder: there are several prompts, and `folder` is made if missing."""

    paths: tuple[Path, ...]
    in_folder: bool

    @classmethod
    def of(
        cls, texts: Sequence[str], num_images: int, output: Path | None, *, in_folder: bool
    ) -> Files:
        """A name for every picture: by its prompt, or as `output` says.

        Raises:
            UserError: no name of a PNG, JPEG or WebP.
        """
        from ediffi.output import check_name

        paths: list[Path] = []
        for number, text in enumerate(texts, 1):
            if in_folder:
                path = (output or Path("pictures")) / f"{number:04d}-{_slug(text)}.png"
            else:
                path = output or Path(f"{_slug(text)}.png")
            check_name(path)
            copies = range(1, num_images + 1)
            single = num_images == 1
            paths += [path if single else path.with_stem(f"{path.stem}-{n}") for n in copies]
        return cls(tuple(paths), in_folder)

    @property
    def folder(self) -> Path:
        return self.paths[0].parent

    @property
    def preview(self) -> Path:
        first = self.paths[0]
        return first.with_name("preview.png" if self.in_folder else f"{first.stem}.preview.png")

    def check(self) -> None:
        """See before the work that the files can be written, or their folder made."""
        from ediffi.output import check_writable

        new_folder = self.in_folder and not os.path.lexists(self.folder)
        for path in [self.folder] if new_folder else self.paths:
            check_writable(path)


def draw(given: Given, files: Files, clock: Clock, drawing: Drawing) -> None:
    """Draw the pictures and write them."""
    from ediffi.model import Cascade, pick_device

    for prompt in given.request.prompts or ():
        given.filters.check_prompt(prompt)
    cascade = Cascade.from_pretrained(drawing.model).to(pick_device(drawing.device))
    plan = cascade.plan(given.request)
    files.check()
    watch = Preview(files.preview) if drawing.preview else None
    cascade.load([config.name for config, _ in plan.stages], plan.roles)
    if files.in_folder:
        make_folder(files.folder)
    clock.mark("load")
    about = _about(cascade, given, plan)
    with progress_bar(len(plan)) as bar, watch or nullcontext():
        done, refused = 0, list[str]()
        for part in plan.batches(BATCH):
            paths = files.paths[done : done + len(part)]
            bar.begin(done + 1, done + len(part))
            events = cascade.run(part)
            clock.mark("text")
            images = _last(events, bar, clock, watch)
            refused += _write(images, part, paths, about, given)
            clock.mark("write")
            done += len(part)
    typer.echo(clock.line(), err=True)
    if refused:
        raise UserError(f"{'; '.join(refused)}. Nothing was written in their place")
    typer.echo(how_to_open(files.paths), err=True)
    if drawing.show and typer.launch(str(files.paths[0])):
        note("--open: there is no program here that shows pictures")


def _last(
    events: Iterator[Event], bar: ProgressBar, clock: Clock, preview: Preview | None
) -> Tensor:
    """The pictures of the last stage, each step shown as it is done."""
    from ediffi.core.types import StageDone

    for event in events:
        clock.mark(event.stage)
        if isinstance(event, StageDone):
            images = event.images
            continue
        bar.show(event)
        if preview:
            preview.show(event)
            clock.mark("preview")
    return images


def _about(cascade: Cascade, given: Given, plan: Plan) -> dict[str, Any]:
    """What goes into every file beside prompt and seed."""
    import torch

    import ediffi

    about: dict[str, Any] = {
        "model": cascade.config.name,
        "model_hash": cascade.hash,
        "start_from": None,
        **plan.described(),
        "software": {"ediffi": ediffi.__version__, "torch": torch.__version__},
        **given.named,
    }
    if given.request.prompts is not None and not given.request.looks:
        about["looks"] = False
    if given.request.people:
        about["people"] = given.request.people
    for painting in given.request.regions[:1]:  # the commands paint all prompts alike
        about |= painting.described() if painting else {}
    return about


def _write(
    images: Tensor, part: Plan, paths: Sequence[Path], about: dict[str, Any], given: Given
) -> list[str]:
    """Write what the filters allow; returns why the others are not."""
    from PIL import Image

    from ediffi.core.pixels import to_uint8
    from ediffi.output import save_picture
    from ediffi.trust.safety import Refused

    refused = []
    each = zip(paths, to_uint8(images), part.subjects, part.seeds, strict=True)
    for path, image, subject, seed in each:
        said: dict[str, Any] = {} if subject.prompt is None else {"prompt": subject.prompt}
        if given.request.people:
            said["read_as"] = subject.text
        try:
            told = given.filters.check_picture(Image.fromarray(image), str(path))
        except Refused as error:
            refused.append(str(error))
            continue
        seen = {"safety": [one.as_json() for one in told]} if told else {}
        parameters = {**said, "seed": seed, **about, **seen}
        save_picture(path, image, parameters, ingredients=given.ingredients)
        typer.echo(f"{path} (seed {seed})")
    return refused


def _slug(text: str) -> str:
    """A file name from a prompt: its first words, at most 40 characters."""
    words = "-".join(re.findall(r"\w+", text.lower()))
    return words[:40].strip("-") or "picture"
