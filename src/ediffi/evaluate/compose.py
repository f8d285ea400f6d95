"""Is what was asked for there: things, numbers, colours, places? By parts of the picture that
differ from the background, a judge of concepts, and names of colours."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ediffi.evaluate.colours import background_name
from ediffi.evaluate.compose_prompts import (
    COMPOSE,
    KINDS,
    RELATIONS,
    ComposePrompt,
    read_compose,
    truth,
)
from ediffi.evaluate.foreground import Part, colour_of, crop, parts
from ediffi.evaluate.judges import Judges
from ediffi.evaluate.pictures import Picture
from ediffi.evaluate.real import enlarged
from ediffi.evaluate.scores import exchanged, share

if TYPE_CHECKING:
    from ediffi.evaluate.evaluation import Context

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


def compose_scores(context: Context) -> dict[str, Any]:
    """The metric `compose`: shares by kind, of outputs, real pictures and the null."""
    rows = read_compose(COMPOSE)
    known = context.judges.concept.labels
    style = {row: _style(context, row) for row in rows}
    rows = [r for r in rows if style[r] and all(t.hexcode in known for t in r.things)]
    gallery = context.draw(
        "compose", [row.prompt for row in rows], [row.seed for row in rows], context.headline
    )
    renderer = context.data.composer
    real = [truth(renderer, row, style[row] or "", context.stage) for row in rows]
    tell = context.tell("judging compose", 2 * len(rows))
    seen, ceiling = (look(p, context.judges, tell) for p in (list(gallery), real))
    return {
        "prompts_sha256": hashlib.sha256(COMPOSE.read_bytes()).hexdigest(),
        "prompts": len(rows),
        "outputs": by_kind(rows, seen, context.judges),
        "real": by_kind(rows, ceiling, context.judges),
        "null": by_kind(rows, seen, context.judges, null=True),
    }


def _style(context: Context, row: ComposePrompt) -> str | None:
    """The first of the model's styles that draws all of a prompt's things."""
    cells = context.grid.cells
    styles = context.data.styles
    return next((s for s in styles if all((t.hexcode, s) in cells for t in row.things)), None)


def look(pictures: Sequence[Picture], judges: Judges, tell: Callable[[int], None]) -> list[Seen]:
    """Find and judge the parts of pictures."""
    found = [(picture, parts(picture)) for picture in pictures]
    largest = [sorted(ps, key=lambda p: -p.area)[:MAX_PARTS] for _, ps in found]
    crops = [crop(p, part) for (p, _), own in zip(found, largest, strict=True) for part in own]
    eyes = judges.extractor
    features = [eyes(torch.zeros(1, 3, eyes.side, eyes.side))[:0]]
    for start in range(0, len(crops), eyes.batch):
        block = crops[start : start + eyes.batch]
        features.append(eyes(torch.cat([enlarged([c], eyes.side) for c in block])))
    every = torch.cat(features).split([len(own) for own in largest])
    out = []
    for (picture, all_parts), own, f in zip(found, largest, every, strict=True):
        colours = [colour_of(picture, part) for part in own]
        out.append(Seen(background_name(picture), own, colours, f, len(all_parts)))
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
    return any(thing in best for best in judges.concept.top_k(seen.features, k))


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
    labels = judges.concept.labels
    first, second = (labels.index(thing.hexcode) for thing in row.things)
    s = judges.concept.scores(seen.features[:2])
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
