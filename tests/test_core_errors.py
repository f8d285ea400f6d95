"""What the user is told: warnings that point at the user's line, or another listener."""

from __future__ import annotations

import warnings

import pytest
from pydantic import BaseModel, Field, ValidationError, field_validator

from ediffi.core.errors import Notice, UserError, note, noted_by


class Box(BaseModel):
    side: int = Field(default=1, ge=1)
    name: str = "box"

    @field_validator("name")
    @classmethod
    def _short(cls, name: str) -> str:
        if len(name) > 9:
            raise UserError("a name has at most 9 letters: shorten it")
        return name


@pytest.mark.parametrize(
    ("fields", "what", "message"),
    [
        ({"side": 0}, "", "side: Input should be greater than or equal to 1"),
        ({"side": "x", "name": 3}, "the box", "the box, side: Input should be a valid integer"),
        ({"name": "x" * 10}, "the box", "a name has at most 9 letters: shorten it"),
    ],
)
def test_the_first_complaint_of_pydantic(
    fields: dict[str, object], what: str, message: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        Box.model_validate(fields)
    assert str(UserError.of(caught.value, what)).startswith(message)


def test_notes() -> None:
    heard: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        note("one")
        with noted_by(heard.append):
            note("two")
            with noted_by(None):
                note("three")
        note("four")
    assert heard == ["two"]
    assert [str(w.message) for w in caught] == ["one", "three", "four"]
    assert all(w.category is Notice and w.filename == __file__ for w in caught)
