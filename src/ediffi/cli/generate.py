"""`ediffi generate`: prompts to picture files."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ediffi.cli.display import Clock, Preview, progress_bar
from ediffi.cli.lists import names
from ediffi.core.errors import UserError
from ediffi.core.files import make_folder

if TYPE_CHECKING:
    from ediffi.model import Cascade
    from ediffi.paint import Painting

    Painted = Callable[[], Painting]

BATCH = 4  # pictures drawn at a time
MAX_PICTURES = 10_000


class Precision(StrEnum):
    bf16 = "bf16"
    fp32 = "fp32"


@dataclass(frozen=True)
class Job:
    """One picture to draw. prompt: None for a variation of a picture."""

    prompt: str | None
    seed: int
    path: Path


def generate(
    prompt: Annotated[str | None, typer.Argument(help="What the picture shows.")] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The PNG file; a folder with --prompts."),
    ] = None,
    model: Annotated[
        str, typer.Option("--model", "-m", help="A shipped model, a folder, or a hub name.")
    ] = "pictogram",
    seed: Annotated[
        int | None,
        typer.Option(min=0, help="Of the first picture, then counting up. Default: random."),
    ] = None,
    num_images: Annotated[
        int, typer.Option("--num-images", "-n", min=1, help="Pictures of each prompt.")
    ] = 1,
    stop_at: Annotated[
        int | None, typer.Option(help="Size of the picture, pixels: 64, 256 or 1024 (all stages).")
    ] = None,
    start_from: Annotated[
        Path | None, typer.Option(help="A picture to enlarge, instead of drawing from nothing.")
    ] = None,
    steps: Annotated[
        str | None, typer.Option(help="Sampling steps of the first stage, or of each: 24,5,4.")
    ] = None,
    guidance: Annotated[
        str | None, typer.Option(help="Guidance scale of the first stage, or of each: 3,1,1.")
    ] = None,
    sampler: Annotated[str | None, typer.Option(help="dpmpp_2m or heun.")] = None,
    use: Annotated[
        str | None, typer.Option(help="Encoders to listen to, e.g. t5 or t5,clip_text.")
    ] = None,
    style: Annotated[
        list[str] | None,
        typer.Option(help="A picture to take the look from, with its weight: a.png or a.png:0.5."),
    ] = None,
    style_strength: Annotated[
        float | None,
        typer.Option(min=0, max=3, help="0: no reference, 1: all of it, above: exaggerated."),
    ] = None,
    style_stages: Annotated[
        str | None, typer.Option(help="Stages that follow it, e.g. base. Default: all.")
    ] = None,
    looks: Annotated[
        bool,
        typer.Option(help="Seeds choose style and background, where the prompt tells none."),
    ] = True,
    prompts: Annotated[Path | None, typer.Option(help="A file with one prompt per line.")] = None,
    preview: Annotated[
        bool, typer.Option("--preview", help="Keep OUTPUT.preview.png up to date while drawing.")
    ] = False,
    dtype: Annotated[Precision, typer.Option(help="Numbers to compute in.")] = Precision.bf16,
    tile: Annotated[
        int | None, typer.Option(min=16, help="Enlarge in tiles of so many pixels: less memory.")
    ] = None,
) -> None:
    """Draw a picture of a sentence.

    The file also holds, as readable text, how it was made. Examples:

    ediffi generate "a red fox next to a rocket, on a light blue background" -o fox.png --seed 7

    ediffi generate "a cat in the snow" -o cat.png --num-images 4 --stop-at 256

    ediffi generate "a cat in the snow" -o large.png --start-from cat-2.png

    ediffi generate "a cat" -o cat.png --style logo.png --style poster.png:0.5

    ediffi generate "a cat" -o cat.png --num-images 6     # each in a look of its own

    ediffi generate --prompts prompts.txt -o pictures/ --steps 30 --guidance 4
    """
    draw(**locals())


def draw(
    *,
    prompt: str | None,
    output: Path | None,
    model: str,
    seed: int | None,
    num_images: int,
    stop_at: int | None,
    start_from: Path | None,
    steps: str | None,
    guidance: str | None,
    sampler: str | None,
    use: str | None,
    style: list[str] | None,
    style_strength: float | None,
    style_stages: str | None,
    looks: bool | None,
    prompts: Path | None,
    preview: bool,
    dtype: Precision,
    tile: int | None,
    painted: Painted | None = None,
    varied: Path | None = None,
) -> None:
    """What `generate`, `paint` and `vary` do with their options. painted: reads what belongs where;
    varied: the picture to vary, instead of a prompt."""
    clock = Clock()
    if varied is None:
        jobs = plan_jobs(prompt, prompts, output, num_images, seed)
    else:
        jobs = variations(varied, output, num_images, seed)
    references = _references(style or ([] if varied is None else [str(varied)]))
    if not references and (style_strength, style_stages) != (None, None):
        raise UserError("--style-strength and --style-stages belong to a --style")
    asked = {
        "stop_at": stop_at,
        "num_steps": _numbers("--steps", steps, int),
        "guidance_scale": _numbers("--guidance", guidance, float),
        "sampler": sampler,
        "tile": tile,
        "style_strength": style_strength,
        "style_stages": names(style_stages),
    }
    import torch

    from ediffi.core.pictures import open_picture
    from ediffi.encoders import Style, check_prompt
    from ediffi.model import Cascade
    from ediffi.model.references import readers
    from ediffi.paint import place

    clock.mark("import")
    painting = painted() if painted else None
    look = Style.of(*references) if references else None
    for text in dict.fromkeys(job.prompt for job in jobs if job.prompt is not None):
        check_prompt(text)
        place(text, painting)
    picture = None if start_from is None else open_picture(start_from)
    cascade = Cascade.from_pretrained(model)
    roles = readers(cascade.roles, names(use), varied is None, look is not None)
    plan = cascade.plan(start_from=picture, **asked)
    _check_outputs(jobs, prompts is not None)
    watch = Preview(_preview_path(jobs[0].path, prompts is not None)) if preview else None
    cascade.load([config.name for config, _ in plan], roles)
    if prompts is not None:
        make_folder(jobs[0].path.parent)
    clock.mark("load")
    options = asked | {
        "start_from": picture,
        "use": roles,
        "style": look,
        "regions": painting,
        "looks": looks,
        "dtype": torch.bfloat16 if dtype is Precision.bf16 else torch.float32,
    }
    described = _describe(cascade, plan, start_from, roles, dtype)
    if references:
        described["style"] = [{"picture": p.name, "weight": weight} for p, weight in references]
    if looks is False:  # None in a variation, which has no words
        described["looks"] = False
    if painting is not None:
        described |= painting.described()
    _draw(cascade, jobs, options, described, clock, watch)
    typer.echo(clock.line(), err=True)


def plan_jobs(
    prompt: str | None, prompts: Path | None, output: Path | None, num_images: int, seed: int | None
) -> list[Job]:
    """Every picture to draw, with its seed and its file."""
    if (prompt is None) == (prompts is None):
        raise UserError("give either a prompt or --prompts FILE")
    texts = [prompt] if prompt is not None else _read_prompts(prompts) if prompts else []
    if len(texts) * num_images > MAX_PICTURES:
        raise UserError(f"{len(texts) * num_images:,} pictures asked for, at most {MAX_PICTURES:,}")
    first = random.randrange(2**31) if seed is None else seed
    jobs: list[Job] = []
    for number, text in enumerate(texts):
        if prompts is not None:
            path = (output or Path("pictures")) / f"{number + 1:04d}-{_slug(text)}.png"
        else:
            path = output or Path(f"{_slug(text)}.png")
        if path.suffix.lower() != ".png":
            raise UserError(f"pictures are written as PNG: name the output {path.stem}.png")
        for copy in range(num_images):
            name = path if num_images == 1 else path.with_stem(f"{path.stem}-{copy + 1}")
            jobs.append(Job(text, first + len(jobs), name))
    return jobs


def _draw(
    cascade: Cascade,
    jobs: Sequence[Job],
    options: dict[str, Any],
    described: dict[str, Any],
    clock: Clock,
    preview: Preview | None,
) -> None:
    """Draw the jobs batch by batch; the files of a batch are written when it is done."""
    from ediffi.core.types import Progress
    from ediffi.output import save_png, to_uint8

    try:
        with progress_bar(len(jobs)) as bar:
            for start in range(0, len(jobs), BATCH):
                batch = jobs[start : start + BATCH]
                seeds = [job.seed for job in batch]
                texts = [job.prompt for job in batch if job.prompt is not None]
                num = 1 if texts else len(batch)  # variations are all of one picture
                events = cascade.stream(texts or None, seeds=seeds, num_images=num, **options)
                clock.mark("text")
                for event in events:
                    clock.mark(event.stage)
                    if isinstance(event, Progress):
                        bar.show(event, start + 1, start + len(batch))
                        if preview:
                            preview.show(event)
                            clock.mark("preview")
                    else:
                        images = event.images
                for job, image in zip(batch, to_uint8(images), strict=True):
                    said = {} if job.prompt is None else {"prompt": job.prompt}
                    save_png(job.path, image, {**said, "seed": job.seed, **described})
                    typer.echo(f"{job.path} (seed {job.seed})")
                clock.mark("write")
    finally:
        if preview:
            preview.remove()


def _describe(
    cascade: Cascade,
    plan: Sequence[tuple[Any, Any]],
    start_from: Path | None,
    roles: Sequence[str],
    dtype: Precision,
) -> dict[str, Any]:
    """What goes into the file beside prompt and seed."""
    import torch

    import ediffi

    stages = [
        {"stage": config.name, "resolution": config.resolution, **how.model_dump(exclude_none=True)}
        for config, how in plan
    ]
    return {
        "model": cascade.config.name,
        "model_hash": cascade.hash,
        "start_from": None if start_from is None else start_from.name,
        "encoders": ", ".join(roles),
        "dtype": dtype.value,
        "stages": stages,
        "software": {"ediffi": ediffi.__version__, "torch": torch.__version__},
    }


def variations(picture: Path, output: Path | None, num_images: int, seed: int | None) -> list[Job]:
    """The variations to draw of a picture."""
    named = output or Path(f"{picture.stem}-variation.png")
    jobs = plan_jobs("variation", None, named, num_images, seed)
    return [replace(job, prompt=None) for job in jobs]


def _references(options: Sequence[str]) -> list[tuple[Path, float]]:
    """The pictures of --style with their weights: a.png, or a.png:0.5."""
    out = []
    for option in options:
        name, colon, weight = option.rpartition(":")
        if not colon or os.path.exists(option):
            out.append((Path(option), 1.0))
            continue
        try:
            out.append((Path(name), float(weight)))
        except ValueError:  # a colon of the name's own
            out.append((Path(option), 1.0))
    return out


def _read_prompts(path: Path) -> list[str]:
    try:
        lines = path.read_text("utf-8").splitlines()
    except OSError as error:
        raise UserError(f"cannot read the prompts in {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not a UTF-8 text file of prompts") from error
    texts = [line.strip() for line in lines if line.strip()]
    if not texts:
        raise UserError(f"{path} has no prompts: write one per line")
    return texts


def _check_outputs(jobs: Sequence[Job], in_folder: bool) -> None:
    """See before the work that the files can be written, or the folder of --prompts made."""
    from ediffi.output import check_writable

    folder = jobs[0].path.parent
    paths = [job.path for job in jobs]
    for path in [folder] if in_folder and not os.path.lexists(folder) else paths:
        check_writable(path)


def _numbers(option: str, text: str | None, kind: type[int] | type[float]) -> Any:
    """None, one number, or a list of numbers from "24,5,4"."""
    if text is None:
        return None
    try:
        values = [kind(part) for part in text.split(",")]
    except ValueError as error:
        what = "whole numbers" if kind is int else "numbers"
        raise UserError(f"{option} takes {what}, one or one per stage, not {text!r}") from error
    return values[0] if len(values) == 1 else values


def _preview_path(first: Path, in_folder: bool) -> Path:
    return first.with_name("preview.png" if in_folder else f"{first.stem}.preview.png")


def _slug(text: str) -> str:
    """A file name from a prompt: its first words, at most 40 characters."""
    words = "-".join(re.findall(r"\w+", text.lower()))
    return words[:40].strip("-") or "picture"
