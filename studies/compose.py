"""The protocol `compose`: is what was asked for there, things, numbers, colours, places?

On fixed prompts, by parts of the picture that differ from the background, a judge of concepts, and
names of colours. Beside the shares stand those of the real pictures that the prompts describe
(ceiling), and of every picture with another prompt of its kind (null).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ediffi.core.types import Pixels
from ediffi.evaluate.evaluation import Evaluation
from ediffi.evaluate.features import Tell
from ediffi.evaluate.gallery import Order
from ediffi.evaluate.heads import LinearHead
from ediffi.evaluate.judges import Judges
from ediffi.evaluate.record import protocol, write_record
from ediffi.evaluate.report import percent, table
from ediffi.evaluate.shares import exchanged, share
from ediffi.pictogram.dataset import PictogramSet
from studies.colours import background_name
from studies.compose_rows import KINDS, RELATIONS, ComposePrompt, truth
from studies.foreground import Part, colour_of, crop, parts
from studies.rows import AnyList, list_facts

MAX_PARTS = 4  # the largest are judged


@dataclass(frozen=True)
class Seen:
    """What is in a picture: its background, and the largest parts with their features (P, D),
    from the largest; num_parts counts all of them."""

    background: str
    parts: list[Part]
    colours: list[str | None]
    features: Tensor
    num_parts: int


def run(evaluation: Evaluation, prompts: AnyList) -> dict[str, Any]:
    """Draw, judge and write `compose.json` to the subject's folder: shares by kind of prompt."""
    data, judges, subject = evaluation.data, evaluation.judges, evaluation.subject
    assert isinstance(data, PictogramSet)
    known = concept_head(judges).labels
    asked = [(row, _style(data, row)) for row in ComposePrompt.read(prompts)]
    drawn = [(row, s) for row, s in asked if s and all(t.hexcode in known for t in row.things)]
    rows = [row for row, _ in drawn]
    texts, seeds = tuple(row.prompt for row in rows), tuple(row.seed for row in rows)
    order = Order(texts, seeds, evaluation.stage, evaluation.shipped_guidance)
    gallery = subject.draw("compose", order)
    real = [truth(data.composer, row, style, evaluation.stage) for row, style in drawn]
    tell = subject.tell("judging", 2 * len(rows))
    seen, ceiling = look(list(gallery), judges, tell), look(real, judges, tell)
    results = {
        "protocol": {"name": "compose", **protocol(evaluation), **list_facts(prompts)},
        "prompts": len(rows),
        "outputs": by_kind(rows, seen, judges),
        "real": by_kind(rows, ceiling, judges),
        "null": by_kind(rows, seen, judges, null=True),
    }
    write_record(subject.folder / "compose.json", results)
    return results


def compose_table(results: dict[str, Any]) -> str:
    """Markdown: a row an answer."""
    rows = [["prompts", "right", "outputs", "null", "real", "judged"]]
    for kind, answers in results["outputs"].items():
        for what, answer in answers.items():
            columns = (results[who][kind][what] for who in ("outputs", "null", "real"))
            shares = [percent(column["share"]) for column in columns]
            rows.append([kind, what.replace("_", " "), *shares, str(answer["pictures"])])
    return table(rows)


def concept_head(judges: Judges) -> LinearHead:
    """The judge of concepts, which there always is for the grid."""
    assert judges.concept is not None
    return judges.concept


def _style(data: PictogramSet, row: ComposePrompt) -> str | None:
    """The first of the model's styles that draws all of a prompt's things."""
    cells = data.grid.cells
    return next((s for s in data.styles if all((t.hexcode, s) in cells for t in row.things)), None)


def look(pictures: Sequence[Pixels], judges: Judges, tell: Tell) -> list[Seen]:
    """Find and judge the parts of pictures."""
    out = []
    nothing = torch.zeros(0, len(concept_head(judges).weight))
    for picture in pictures:
        every = parts(picture)
        largest = sorted(every, key=lambda part: -part.area)[:MAX_PARTS]
        crops = [crop(picture, part) for part in largest]
        features = judges.extractor(crops) if crops else nothing
        colours = [colour_of(picture, part) for part in largest]
        out.append(Seen(background_name(picture), largest, colours, features, len(every)))
        tell(1)
    return out


def by_kind(
    rows: Sequence[ComposePrompt], seen: Sequence[Seen], judges: Judges, *, null: bool = False
) -> dict[str, dict[str, Any]]:
    """Shares of what is right, by kind of prompt. null: each picture with another prompt of its
    kind. Kinds that need a concept leave out prompts with one that the judge confuses."""
    out = {}
    for kind in KINDS:
        numbers = [n for n, row in enumerate(rows) if row.kind == kind]
        asked = exchanged(numbers) if null else numbers
        answers = [
            _ANSWERS[kind](rows[a], seen[n], judges)
            for n, a in zip(numbers, asked, strict=True)
            if kind in ("count", "background")
            or all(judges.judged(t.hexcode) for t in rows[a].things)
        ]
        names = answers[0] if answers else {}
        out[kind] = {name: share([answer[name] for answer in answers]) for name in names}
    return out


def _named(thing: str, seen: Seen, judges: Judges, k: int = 5) -> bool:
    """Some part is judged to be the thing, among the k likeliest."""
    return any(thing in best for best in concept_head(judges).top_k(seen.features, k))


def _single(row: ComposePrompt, seen: Seen, judges: Judges) -> dict[str, bool]:
    thing = row.things[0].hexcode
    return {
        "named_top1": _named(thing, seen, judges, 1),
        "named_top5": _named(thing, seen, judges),
        "one_part": seen.num_parts == 1,
    }


def _two(row: ComposePrompt, seen: Seen, judges: Judges) -> dict[str, bool]:
    named = [_named(thing.hexcode, seen, judges) for thing in row.things]
    return {
        "both_named_top5": all(named),
        "one_dropped": sum(named) == 1,
        "none_named": not any(named),
        "two_parts": seen.num_parts == 2,
    }


def _count(row: ComposePrompt, seen: Seen, judges: Judges) -> dict[str, bool]:
    asked = row.things[0].count
    return {
        "right": seen.num_parts == asked,
        "too_few": seen.num_parts < asked,
        "too_many": seen.num_parts > asked,
    }


def _colour(row: ComposePrompt, seen: Seen, judges: Judges) -> dict[str, bool]:
    right = bool(seen.colours) and seen.colours[0] == row.things[0].colour
    named = _named(row.things[0].hexcode, seen, judges)
    return {"colour_right": right, "named_top5": named, "both": right and named}


def _background(row: ComposePrompt, seen: Seen, judges: Judges) -> dict[str, bool]:
    right = seen.background == row.background
    return {"right": right, "right_with_a_thing_on_it": right and seen.num_parts > 0}


def _relation(row: ComposePrompt, seen: Seen, judges: Judges) -> dict[str, bool]:
    pair = _assigned(row, seen, judges)
    right = pair is not None and _holds(row.relation, seen.parts[pair[0]], seen.parts[pair[1]])
    return {"right": right, "fewer_than_two_parts": pair is None}


def _binding(row: ComposePrompt, seen: Seen, judges: Judges) -> dict[str, bool]:
    pair = _assigned(row, seen, judges)
    asked = [thing.colour for thing in row.things]
    found = [None, None] if pair is None else [seen.colours[part] for part in pair]
    return {
        "both_right": found == asked,
        "exchanged": found == asked[::-1],
        "both_colours_somewhere": set(asked) <= set(seen.colours),
        "fewer_than_two_parts": pair is None,
    }


def _assigned(row: ComposePrompt, seen: Seen, judges: Judges) -> tuple[int, int] | None:
    """Which of the two largest parts is the first thing, and which the second."""
    if len(seen.parts) < 2:
        return None
    labels = concept_head(judges).labels
    first, second = (labels.index(thing.hexcode) for thing in row.things)
    s = concept_head(judges).scores(seen.features[:2])
    straight = s[0, first] + s[1, second] >= s[1, first] + s[0, second]
    return (0, 1) if straight else (1, 0)


def _holds(relation: str | None, first: Part, second: Part) -> bool:
    """Whether the relation is true of the middles, and the direction is the larger one."""
    dx, dy = (a - b for a, b in zip(first.centre, second.centre, strict=True))
    sideways = abs(dx) > abs(dy)
    truths = (sideways and dx < 0, sideways and dx > 0, not sideways and dy < 0)
    return dict(zip(RELATIONS, (*truths, not sideways and dy > 0), strict=True))[relation or ""]


Answer = Callable[[ComposePrompt, Seen, Judges], dict[str, bool]]
_ANSWERS: dict[str, Answer] = dict(
    zip(
        KINDS,
        (_single, _two, _count, _colour, _background, _relation, _binding),
        strict=True,
    )
)
