"""Licences as collections write them, read as SPDX."""

from __future__ import annotations

import pytest

from ediffi.data.licences import Licences


@pytest.mark.parametrize(
    ("written", "spdx"),
    [
        ("apache-2.0", "Apache-2.0"),
        ("MIT OR Apache-2.0", "MIT OR Apache-2.0"),
        ("CC BY-NC-SA 4.0", "CC-BY-NC-SA-4.0"),
        ("https://creativecommons.org/licenses/by/2.0/", "CC-BY-2.0"),
        ("http://creativecommons.org/publicdomain/zero/1.0/", "CC0-1.0"),
        ("CC0", "CC0-1.0"),
        ("LicenseRef-our-own", "LicenseRef-our-own"),
        ("not stated", None),
        ("", None),
        ("MIT AND (", None),
        ("Apache-2.0, MIT", None),
        ("https://creativecommons.org/publicdomain/mark/1.0/", None),
    ],
)
def test_spdx(written: str, spdx: str | None) -> None:
    assert Licences().spdx(written) == spdx


def test_a_policy_says_what_names_mean() -> None:
    assert Licences({"Shop photos": "CC-BY-4.0"}).spdx(" Shop photos ") == "CC-BY-4.0"


@pytest.mark.parametrize(
    ("expression", "allowed"),
    [
        ("MIT", True),
        ("GPL-3.0-only", False),
        ("MIT OR GPL-3.0-only", True),
        ("MIT AND GPL-3.0-only", False),
        ("MIT AND (GPL-3.0-only OR CC0-1.0)", True),
        ("GPL-2.0-only WITH Classpath-exception-2.0", False),
    ],
)
def test_what_a_list_allows(expression: str, allowed: bool) -> None:
    assert Licences().allowed(expression, ["MIT", "CC0-1.0"]) == allowed
