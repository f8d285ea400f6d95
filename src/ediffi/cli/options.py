"""Options that commands share, and what is read from them."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from ediffi.cli.display import Clock
from ediffi.cli.lists import names
from ediffi.core.errors import UserError

if TYPE_CHECKING:
    from ediffi.model import Request
    from ediffi.paint import Painting
    from ediffi.trust.manifest import Ingredient
    from ediffi.trust.safety import Filters

N = TypeVar("N", int, float)


class Precision(StrEnum):
    bf16 = "bf16"
    fp32 = "fp32"


class DeviceName(StrEnum):
    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"
    mps = "mps"


Prompt = Annotated[str | None, typer.Argument(help="What the picture shows.")]
Prompts = Annotated[Path | None, typer.Option(help="A file with one prompt per line.")]
Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="The .png, .jpg or .webp file; a folder with --prompts."),
]
Model = Annotated[
    str, typer.Option("--model", "-m", help="A shipped model, a folder, or a hub name.")
]
Seed = Annotated[
    int | None,
    typer.Option(min=0, help="Of the first picture, then counting up. Default: random."),
]
NumImages = Annotated[
    int, typer.Option("--num-images", "-n", min=1, help="Pictures of each prompt.")
]
StopAt = Annotated[
    int | None, typer.Option(help="Size of the picture, pixels: 64, 256 or 1024 (all stages).")
]
StartFrom = Annotated[
    Path | None, typer.Option(help="A picture to enlarge, instead of drawing from nothing.")
]
Steps = Annotated[
    str | None, typer.Option(help="Sampling steps of the first stage, or of each: 24,5,4.")
]
Guidance = Annotated[
    str | None, typer.Option(help="Guidance scale of the first stage, or of each: 3,1,1.")
]
Sampler = Annotated[
    str | None, typer.Option(help="Sampling method of every stage; a wrong name lists them.")
]
Use = Annotated[str | None, typer.Option(help="Encoders to listen to, e.g. t5 or t5,clip_text.")]
Style = Annotated[
    list[str] | None,
    typer.Option(help="A picture to take the look from, with its weight: a.png or a.png:0.5."),
]
StyleStrength = Annotated[
    float | None,
    typer.Option(min=0, max=3, help="0: no reference, 1: all of it, above: exaggerated."),
]
StyleStages = Annotated[
    str | None, typer.Option(help="Stages that follow it, e.g. base. Default: all.")
]
Looks = Annotated[
    bool, typer.Option(help="Seeds choose style and background, where the prompt tells none.")
]
People = Annotated[
    str | None,
    typer.Option(
        help="Say who is shown where a prompt leaves it open: equal, or a policy file's [people]."
    ),
]
Safety = Annotated[
    str | None,
    typer.Option(envvar="EDIFFI_SAFETY", help="Filters that must allow it, e.g. words,open-nsfw."),
]
Anyway = Annotated[
    bool,
    typer.Option(
        "--anyway", help="Read words too, and draw prompts, that the model knows nothing of."
    ),
]
Preview = Annotated[
    bool, typer.Option("--preview", help="Keep OUTPUT.preview.png up to date while drawing.")
]
DType = Annotated[Precision, typer.Option(help="Numbers to compute in.")]
Tile = Annotated[
    int | None, typer.Option(min=16, help="Enlarge in tiles of so many pixels: less memory.")
]
Device = Annotated[
    DeviceName, typer.Option(help="Where to compute; auto: the first there is of cuda, mps, cpu.")
]
Open = Annotated[bool, typer.Option("--open", help="Show the picture when it is done.")]


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """What every command takes that draws."""

    output: Output
    model: Model
    seed: Seed
    num_images: NumImages
    stop_at: StopAt
    start_from: StartFrom
    steps: Steps
    guidance: Guidance
    sampler: Sampler
    style_strength: StyleStrength
    style_stages: StyleStages
    safety: Safety
    preview: Preview
    dtype: DType
    tile: Tile
    device: Device
    show: Open


@dataclass(frozen=True, kw_only=True)
class Wording:
    """What those take besides that are given words."""

    prompts: Prompts = None
    use: Use = None
    style: Style = None
    looks: Looks = True
    people: People = None
    anyway: Anyway = False


@dataclass(frozen=True)
class Given:
    """A request, what the picture files say, by name, of the pictures that it was given, those
    pictures' files, and the filters that must allow what is drawn."""

    request: Request
    named: dict[str, Any]
    ingredients: tuple[Ingredient, ...]
    filters: Filters


def given(
    clock: Clock,
    drawing: Drawing,
    wording: Wording,
    *,
    texts: Sequence[str] | None,
    painting: Painting | None = None,
    map: Path | None = None,
) -> Given:
    """The request that options stand for. texts: None for variations of the style; map: the
    picture that `painting` was read from, if it was one.

    Raises:
        UserError: an option that makes no sense.
    """
    styles = _references(wording.style or ())
    if not styles and (drawing.style_strength, drawing.style_stages) != (None, None):
        raise UserError("--style-strength and --style-stages belong to a --style")
    num_steps = _numbers("--steps", drawing.steps, int)
    guidance_scale = _numbers("--guidance", drawing.guidance, float)
    from ediffi.model import Request
    from ediffi.trust.manifest import Ingredient
    from ediffi.trust.safety import Filters

    clock.mark("import")
    start_from = drawing.start_from
    references = {"pictures": [p for p, _ in styles], "weights": [w for _, w in styles]}
    request = Request.of(
        prompts=texts,
        seeds=random.randrange(2**31) if drawing.seed is None else drawing.seed,
        num_images=drawing.num_images,
        stop_at=drawing.stop_at,
        start_from=start_from,
        num_steps=num_steps,
        guidance_scale=guidance_scale,
        sampler=drawing.sampler,
        use=names(wording.use),
        style=references if styles else None,
        style_strength=drawing.style_strength,
        style_stages=names(drawing.style_stages),
        regions=painting,
        looks=wording.looks,
        people=_shares(wording.people),
        anyway=wording.anyway,
        tile=drawing.tile,
        dtype=drawing.dtype.value,
    )
    named: dict[str, Any] = {"start_from": start_from and start_from.name}
    if styles:
        named["style"] = [{"picture": path.name, "weight": weight} for path, weight in styles]
    inputs = [Ingredient.read(path) for path, _ in styles]
    if map is not None:
        inputs.append(Ingredient.read(map))
    if start_from is not None:
        inputs.append(Ingredient.read(start_from, "parentOf"))
    return Given(request, named, tuple(inputs), Filters.named(names(drawing.safety) or ()))


def read_prompts(prompt: str | None, prompts: Path | None) -> list[str]:
    """The prompt, or the lines of the file.

    Raises:
        UserError: both or neither is given, or the file has none.
    """
    if (prompt is None) == (prompts is None):
        raise UserError("give either a prompt or --prompts FILE")
    if prompts is None:
        return [prompt or ""]
    try:
        lines = prompts.read_text("utf-8").splitlines()
    except OSError as error:
        raise UserError(f"cannot read the prompts in {prompts}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{prompts} is not a UTF-8 text file of prompts") from error
    texts = [line.strip() for line in lines if line.strip()]
    if not texts:
        raise UserError(f"{prompts} has no prompts: write one per line")
    return texts


def _shares(people: str | None) -> dict[str, Any] | None:
    """What --people says: the shares of a policy file, or all values alike."""
    if people is None:
        return None
    if people == "equal":
        return {"presentation": "equal", "skin": "equal"}
    from ediffi.data.policy import Policy

    aims = Policy.read(Path(people)).people.aims
    if not aims:
        raise UserError(f"the policy {people} has no [people] part: see docs/audit.md")
    return dict(aims)


def _numbers(option: str, text: str | None, kind: Callable[[str], N]) -> list[N] | None:
    """The numbers of "24,5,4"; None where the option is not given."""
    if text is None:
        return None
    try:
        return [kind(part) for part in text.split(",")]
    except ValueError as error:
        what = "whole numbers" if kind is int else "numbers"
        raise UserError(
            f"{option} takes {what}, one or one per stage, not {text[:40]!r}"
        ) from error


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
