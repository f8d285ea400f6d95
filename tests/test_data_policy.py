"""Policies of owners, in TOML."""

from __future__ import annotations

from pathlib import Path

import pytest

from ediffi.core.errors import UserError
from ediffi.data.policy import Policy


def read(folder: Path, text: str) -> Policy:
    path = folder / "policy.toml"
    path.write_text(text)
    return Policy.read(path)


def test_aims_are_shares(tmp_path: Path) -> None:
    policy = read(tmp_path, '[people]\nskin = "equal"\npresentation = {woman = 3, man = 1}\n')
    assert policy.people.aims["presentation"] == {"woman": 0.75, "man": 0.25}
    assert set(policy.people.aims["skin"].values()) == {0.2} and "age" not in policy.people.aims
    assert read(tmp_path, "").people.aims == {}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[licences", "is no TOML"),
        ("[licence]\nallow = []", "licence"),
        ("[people]\npresentation = {cat = 1}", "presentation 'cat': choose from woman, man"),
        ("[people]\nskin = {dark = 0}", "skin: shares must add up"),
        ("[pictures]\nmax_near_duplicates = 2", "pictures.max_near_duplicates"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(UserError, match=r"policy .*policy\.toml") as error:
        read(tmp_path, text)
    assert complaint in str(error.value)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot read the policy .*none\.toml: No such file"):
        Policy.read(tmp_path / "none.toml")
