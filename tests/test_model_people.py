"""People whom a prompt leaves open, drawn from stated shares and said."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from helpers.cli import run as ediffi

from ediffi.core.errors import UserError
from ediffi.language.people import person_in
from ediffi.model import Cascade, Request
from ediffi.model.people import with_people
from ediffi.output import read_parameters

AIMS = {"presentation": {"woman": 0.75, "man": 0.25}, "skin": {"light": 0.5, "dark": 0.5}}


def test_shares_are_kept_over_seeds() -> None:
    told = [person_in(with_people("a doctor", seed, AIMS)) for seed in range(2000)]
    women = sum(person is not None and person.presentation == "woman" for person in told)
    assert women / 2000 == pytest.approx(0.75, abs=0.03)
    both = Counter((p.presentation, p.skin) for p in told if p)  # one says nothing of the other
    assert both["woman", "dark"] / 2000 == pytest.approx(0.375, abs=0.03)
    assert {p.role for p in told if p} == {"doctor"}


def test_what_a_prompt_says_stays() -> None:
    for seed in range(50):
        said = with_people("an old woman with light skin cooking", seed, AIMS)
        assert said == "an old woman with light skin cooking"
        assert with_people("a fox", seed, AIMS) == "a fox"
        assert "man" not in with_people("a woman", seed, AIMS).replace("woman", "").split()


def test_a_request_plans_it(model_folder: Path) -> None:
    cascade = Cascade.from_pretrained(model_folder)
    request = Request.of(
        prompts="a doctor and a cat", num_images=8, people={"skin": "equal"}, stop_at=16
    )
    assert request.people is not None and request.people["skin"]["dark"] == 0.2
    subjects = cascade.plan(request).subjects
    assert {subject.prompt for subject in subjects} == {"a doctor and a cat"}
    assert len({subject.text for subject in subjects}) > 1
    assert all("skin" in str(subject.text) for subject in subjects)
    again = cascade.plan(Request.from_json('{"prompts": "a doctor and a cat", "stop_at": 16, '
                         '"num_images": 8, "people": {"skin": "equal"}}'))  # fmt: skip
    assert [s.text for s in again.subjects] == [s.text for s in subjects]


@pytest.mark.parametrize(
    ("people", "complaint"),
    [
        ({"skin": {"green": 1}}, "skin 'green': choose from light"),
        ({"height": "equal"}, "no attribute 'height'"),
        ({"age": {"child": 0}}, "age: shares must add up"),
    ],
)
def test_shares_that_are_none(people: dict[str, object], complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        Request.of(prompts="a doctor", people=people)


def test_the_file_says_what_was_read(model_folder: Path, here: Path) -> None:
    (here / "policy.toml").write_text("[people]\npresentation = {woman = 1}\n")
    options = ["--model", model_folder, "--stop-at", 16, "--anyway", "--seed", 1]
    asked = ["generate", "a doctor", "-o", "doctor.png", *options]
    assert ediffi(*asked, "--people", "policy.toml") == 0
    said = read_parameters(Path("doctor.png"))
    assert said["prompt"] == "a doctor" and said["read_as"].endswith("a woman")
    assert said["people"] == {"presentation": {"woman": 1.0}}
    assert ediffi(*asked) == 0
    assert "read_as" not in read_parameters(Path("doctor.png"))
