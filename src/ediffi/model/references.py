"""Which roles a drawing listens to, and the reference picture of each prompt."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ediffi.core.errors import UserError
from ediffi.core.pictures import Picture
from ediffi.encoders import Style, check_use
from ediffi.model.config import StageConfig

AnyStyle = Picture | Style | Sequence[Picture | Style | None] | None


def styles_of(style: AnyStyle, prompts: str | Sequence[str] | None) -> list[Style | None]:
    """One reference, or None, for each prompt; without prompts, one for each variation.

    Raises:
        UserError: a picture that cannot be used, too few or too many, or nothing to draw from.
    """
    num = 1 if isinstance(prompts, str) else None if prompts is None else len(prompts)
    if isinstance(style, list | tuple):
        if num is not None and len(style) != num:
            raise UserError(f"{len(style)} references for {num} prompts: give one for each")
        found = [None if one is None else _style(one) for one in style]
    else:
        found = [None if style is None else _style(style)] * (num or 1)  # type: ignore[arg-type]
    if num is None and not all(found):
        raise UserError("give a prompt, or a picture to vary")
    return found


def _style(style: Picture | Style) -> Style:
    return style if isinstance(style, Style) else Style.of(style)


def readers(
    roles: Collection[str], use: Collection[str] | None, with_text: bool, with_style: bool
) -> list[str]:
    """Those of a model's roles that are listened to; `use` None means all that are given.

    Raises:
        UserError: a role is asked for that the model, or the question, does not have.
    """
    check_use(use, roles)
    if with_style and "clip_image" not in roles:
        raise UserError(
            "this model has no clip_image encoder, so it cannot read a reference picture"
        )
    given = [r for r in roles if (with_style if r == "clip_image" else with_text)]
    if use is None:
        return given
    if with_style and "clip_image" not in use:
        raise UserError(
            f"a reference picture is given, but only {', '.join(use)} is used: add clip_image"
        )
    if "clip_image" in use and not with_style:
        raise UserError("clip_image is to be used, but there is no reference picture: give a style")
    missing = [role for role in use if role not in given]
    if missing:
        raise UserError(f"{missing[0]} reads text, and there is none: leave it out")
    return [role for role in given if role in use]


def check_listeners(stages: Sequence[StageConfig]) -> None:
    """Refuse a reference (`UserError`) that none of the stages has learnt to read."""
    if not any(stage.listens is None or "clip_image" in stage.listens for stage in stages):
        names = ", ".join(stage.name for stage in stages)
        raise UserError(f"no stage that runs ({names}) was trained with reference pictures")
