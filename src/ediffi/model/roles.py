"""Which roles a drawing listens to."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ediffi.core.errors import UserError
from ediffi.encoders import check_use
from ediffi.model.config import StageConfig


def roles_to_read(
    roles: Collection[str], use: Collection[str] | None, with_text: bool, with_style: bool
) -> tuple[str, ...]:
    """Those of a model's roles that are listened to; `use` None means all that are given.

    Raises:
        UserError: a role is asked for that the model, or the request, does not have.
    """
    check_use(use, roles)
    if with_style and "clip_image" not in roles:
        raise UserError(
            "this model has no clip_image encoder, so it cannot read a reference picture"
        )
    given = [r for r in roles if (with_style if r == "clip_image" else with_text)]
    if use is None:
        return tuple(given)
    if with_style and "clip_image" not in use:
        raise UserError(
            f"a reference picture is given, but only {', '.join(use)} is used: add clip_image"
        )
    if "clip_image" in use and not with_style:
        raise UserError("clip_image is to be used, but there is no reference picture: give a style")
    missing = [role for role in use if role not in given]
    if missing:
        raise UserError(f"{missing[0]} reads text, and there is none: leave it out")
    return tuple(role for role in given if role in use)


def check_listeners(stages: Sequence[StageConfig]) -> None:
    """Refuse a reference (`UserError`) that none of the stages has learnt to read."""
    if not any(stage.listens is None or "clip_image" in stage.listens for stage in stages):
        names = ", ".join(stage.name for stage in stages)
        raise UserError(f"no stage that runs ({names}) was trained with reference pictures")
