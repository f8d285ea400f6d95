"""What an owner of pictures allows and aims at: a policy, kept in a TOML file.

[licences]
allow = ["MIT", "Apache-2.0", "CC-BY-4.0"]      # unknown ones are then refused
names = {"Unsplash" = "LicenseRef-Unsplash"}    # what a collection writes, and what it means

[pictures]
refused_sources = ["scraped"]
min_side = 256
max_near_duplicates = 0.02

[people]
within = "role"
presentation = {woman = 0.5, man = 0.5}
skin = "equal"

[about]
description = "Photographs of our own products."
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ediffi.core.errors import UserError
from ediffi.language.people import Aims, aims_of


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LicencePolicy(Frozen):
    """allow: SPDX licences, None for all that are known; unknown: refuse them, as is usual where
    there is a list, or not; names: what a collection writes -> the SPDX expression it means."""

    allow: tuple[str, ...] | None = None
    unknown: Literal["refuse", "allow"] = "refuse"
    names: dict[str, str] = {}


class PicturePolicy(Frozen):
    """max_near_duplicates: the largest share of pictures that look like an earlier one."""

    refused_sources: tuple[str, ...] = ()
    min_side: int = Field(1, ge=1)
    max_near_duplicates: float = Field(1.0, ge=0, le=1)


Shares = dict[str, float] | Literal["equal"]


class PeoplePolicy(Frozen):
    """How often each value of an attribute is to be seen, of the people whose value is told.

    presentation, age, skin: value -> share, or "equal" for all values alike; None for no aim.
    within: in each role by itself, or among all people. max_weight: how often a picture may
    come at most, and 1 / max_weight how seldom, against a picture that no aim is about.
    """

    within: Literal["role", "all"] = "role"
    presentation: Shares | None = None
    age: Shares | None = None
    skin: Shares | None = None
    max_weight: float = Field(10.0, ge=1)

    @model_validator(mode="after")
    def _check(self) -> Self:
        aims_of(self._given)
        return self

    @property
    def aims(self) -> Aims:
        """attribute -> value -> share; the shares of an attribute add up to 1."""
        return aims_of(self._given)

    @property
    def _given(self) -> dict[str, Shares]:
        stated = {"presentation": self.presentation, "age": self.age, "skin": self.skin}
        return {attribute: shares for attribute, shares in stated.items() if shares is not None}


class About(Frozen):
    """What the owner says of the collection, for its Croissant description. See the RAI vocabulary
    of Croissant for what each text of use, limits, bias and privacy should say."""

    description: str = ""
    url: str | None = None
    creator: str | None = None
    collection: str | None = None
    use_cases: tuple[str, ...] = ()
    limitations: tuple[str, ...] = ()
    biases: tuple[str, ...] = ()
    social_impact: str | None = None
    personal_information: tuple[str, ...] = ()
    maintenance: str | None = None


class Policy(Frozen):
    """All of a policy file; every part may be missing."""

    licences: LicencePolicy = LicencePolicy(unknown="allow")
    pictures: PicturePolicy = PicturePolicy()
    people: PeoplePolicy = PeoplePolicy()
    about: About = About()

    @classmethod
    def read(cls, path: Path) -> Policy:
        """Raises UserError: no such file, not TOML, or a field that is not as it should be."""
        try:
            return cls.model_validate(tomllib.loads(path.read_text("utf-8")))
        except OSError as error:
            raise UserError(f"cannot read the policy {path}: {error.strerror}") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise UserError(f"the policy {path} is no TOML: {error}") from error
        except ValidationError as error:
            raise UserError.of(error, f"policy {path}") from error
