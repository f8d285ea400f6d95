"""What is known of a language."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class FunctionWords:
    """colours, places: English -> words, divided by commas; counts: words for 1, 2, 3, 4;
    colour_first: red fox, not fox red; place_last: the place follows the thing it belongs to, as in
    "rocket beside, fox" for a fox beside a rocket."""

    colours: dict[str, str]
    places: dict[str, str]
    background: str
    joining: str
    passing: str
    counts: tuple[str, str, str, str] = ("", "", "", "")
    measures: str = field(default="")  # what counts are followed by, where they need it
    colour_first: bool = True
    place_last: bool = False


INVERSE = {
    "next to": "next to",
    "above": "below",
    "below": "above",
    "in front of": "behind",
    "behind": "in front of",
    "left of": "right of",
    "right of": "left of",
}
