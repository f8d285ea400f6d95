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
Sampler = Annotated[str | None, typer.Option(help="dpmpp_2m or heun.")]
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
    bool, typer.Option("--anyway", help="Draw prompts that name nothing the model was taught, too.")
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
    *,
    prompts: Sequence[str] | None,
    seed: int | None,
    num_images: int,
    stop_at: int | None,
    start_from: Path | None,
    steps: str | None,
    guidance: str | None,
    sampler: str | None,
    style_strength: float | None,
    style_stages: str | None,
    dtype: Precision,
    tile: int | None,
    use: str | None = None,
    style: Sequence[str] | None = None,
    looks: bool = True,
    people: str | None = None,
    safety: str | None = None,
    anyway: bool = False,
    painting: Painting | None = None,
    map: Path | None = None,
) -> Given:
    """The request that options stand for. seed: None for any; map: the picture that `painting` was
    read from, if it was one.

    Raises:
        UserError: an option that makes no sense.
    """
    styles = _references(style or ())
    if not styles and (style_strength, style_stages) != (None, None):
        raise UserError("--style-strength and --style-stages belong to a --style")
    num_steps = _numbers("--steps", steps, int)
    guidance_scale = _numbers("--guidance", guidance, float)
    from ediffi.model import Request
    from ediffi.trust.manifest import Ingredient
    from ediffi.trust.safety import Filters

    clock.mark("import")
    references = {"pictures": [p for p, _ in styles], "weights": [w for _, w in styles]}
    request = Request.of(
        prompts=prompts,
        seeds=random.randrange(2**31) if seed is None else seed,
        num_images=num_images,
        stop_at=stop_at,
        start_from=start_from,
        num_steps=num_steps,
        guidance_scale=guidance_scale,
        sampler=sampler,
        use=names(use),
        style=references if styles else None,
        style_strength=style_strength,
        style_stages=names(style_stages),
        regions=painting,
        looks=looks,
        people=_shares(people),
        anyway=anyway,
        tile=tile,
        dtype=dtype.value,
    )
    named: dict[str, Any] = {"start_from": start_from and start_from.name}
    if styles:
        named["style"] = [{"picture": path.name, "weight": weight} for path, weight in styles]
    inputs = [Ingredient.read(path) for path, _ in styles]
    if map is not None:
        inputs.append(Ingredient.read(map))
    if start_from is not None:
        inputs.append(Ingredient.read(start_from, "parentOf"))
    return Given(request, named, tuple(inputs), Filters.named(names(safety) or ()))


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
