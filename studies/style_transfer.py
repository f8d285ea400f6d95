"""The protocol `style`: is the look taken from a reference, and the content from the text?

Fixed prompts that name no style, each in the style of a fixed reference that shows something else.
Judged by heads on frozen features, fitted on real pictures only, that never saw the prompts'
concepts (style) and are no CLIP: is the picture in the reference's style; does it show what the
text asks for; does it rather show what the reference shows (leak)? Beside them: the real drawings
(ceiling), the same prompts and seeds without a reference (floor) and with the style told in words
instead, and the same pictures with the references exchanged (null). Drawn by the base alone, which
decides content and look.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import exp, log
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from ediffi.core.errors import UserError
from ediffi.core.files import file_sha256
from ediffi.core.types import Pixels
from ediffi.encoders import Style
from ediffi.evaluate.gallery import Order, Subject
from ediffi.evaluate.metrics import pairwise
from ediffi.evaluate.record import write_record
from ediffi.evaluate.shares import share
from ediffi.pictogram.drawings import draw
from ediffi.pictogram.grid import Grid
from ediffi.pictogram.render import Renderer
from ediffi.pictogram.sources import cache_root
from studies.rows import AnyList, list_facts
from studies.style_judge import Seen, StyleJudges, open_style_judges
from studies.style_rows import StylePrompt
from studies.style_sheets import reference_sheet, role_sheet, style_sheet

WEAK, STRONG = 0.5, 2.0  # beside 1, of the sheet's prompts only: they take half as long again
NUM_SHEET = 6  # prompts
NUM_ARM = 4  # seeds of each prompt for T5 alone, CLIP alone and both
ARMS = {"T5 alone": ("t5",), "CLIP text alone": ("clip_text",), "both": ("t5", "clip_text")}
VARIED = 3  # every third reference
OWN = "reference, strength 1"


@dataclass(frozen=True)
class Styled(Order):
    """An order of pictures in the style of references. styles: one each, or none; named: what they
    are, since they are not told by themselves; words: False for variations of the references."""

    styles: tuple[Style, ...] = field(default=(), repr=False)
    named: str = ""
    strength: float | None = None
    words: bool = True

    def options(self, numbers: Sequence[int]) -> dict[str, Any]:
        """See `Order.options`."""
        options = super().options(numbers)
        if self.styles:
            options["style"] = [self.styles[n] for n in numbers]
            options["style_strength"] = self.strength
        return options if self.words else options | {"prompts": None}


@dataclass(frozen=True)
class Study:
    """What all parts of the protocol share."""

    subject: Subject
    rows: list[StylePrompt]
    grid: Grid
    judges: StyleJudges

    def draw(self, name: str, rows: Sequence[StylePrompt], **options: Any) -> list[Pixels]:
        """The pictures of rows. options: of `Styled`."""
        prompts, seeds = tuple(row.prompt for row in rows), tuple(row.seed for row in rows)
        order = Styled(prompts, seeds, self.subject.base_side, **options)
        return list(self.subject.draw(name, order))


def run(
    subject: Subject,
    prompts: AnyList,
    grid: Grid,
    *,
    references: Path | None = None,
    cache_dir: Path | None = None,
) -> dict[str, Any]:
    """Draw, measure, and write `style.json` and WebP sheets to the subject's folder.

    Args:
        references: folder of pictures of other styles, for a sheet of their own.
    """
    rows, folder = StylePrompt.read(prompts), subject.folder
    if len({row.hexcode for row in rows}) < 2 or len({row.style for row in rows}) < 2:
        raise UserError(f"{prompts}: at least two prompts and two styles are needed")
    if "clip_image" not in subject.cascade.roles:
        name = subject.cascade.config.name
        raise UserError(f"{name} has no clip_image encoder: it reads no references")
    judges = open_style_judges(grid, rows, (cache_dir or cache_root()) / "judges", subject.report)
    study = Study(subject, rows, grid, judges)
    shown = draw(Renderer(grid), [row.picture(grid) for row in rows])
    styles = tuple(Style.of(picture) for picture in shown)
    some = NUM_SHEET * len({row.style for row in rows})
    columns = _columns(study, styles, some)
    seen = {name: judges.see(pictures) for name, pictures in columns.items()}
    arms, arm_shares = _arms(study, columns["no reference"])
    results: dict[str, Any] = {
        "protocol": _protocol(study) | list_facts(prompts),
        "judges_on_real": judges.accuracy,
        "columns": {
            name: measure(judges, what, rows[: len(columns[name])]) for name, what in seen.items()
        },
        "arms": arm_shares,
        "looks": looks(judges, seen["no reference"], seen["real"], rows),
        "variations": _variations(study, styles),
    }
    results["columns"] |= {"shuffled": shuffled(judges, seen[OWN], rows)}
    results["aims"] = _aims(results["columns"])
    write_record(folder / "style.json", results)
    style_sheet(folder / "style.webp", rows[:some], columns[OWN], shown)
    role_sheet(folder / "roles.webp", _first_of_each(rows)[:NUM_SHEET], arms)
    if references is not None:
        _other_references(study, references)
    return results


def _columns(study: Study, styles: tuple[Style, ...], some: int) -> dict[str, list[Pixels]]:
    """The pictures of every column. styles: the rows' references; some: rows of a weaker and a
    stronger reference."""
    rows, grid = study.rows, study.grid
    columns = {"no reference": study.draw("no reference", rows)}
    told = [row.in_words() for row in rows]
    columns["style in words"] = study.draw("style in words", told)
    named = f"references of {grid.fingerprint}"
    for strength, num in ((WEAK, some), (1.0, len(rows)), (STRONG, some)):
        name = f"reference, strength {strength:g}"
        options = {"styles": styles[:num], "named": named, "strength": strength}
        columns[name] = study.draw(name, rows[:num], **options)
    real = [row.real(grid, study.subject.base_side) for row in rows]
    return columns | {"real": draw(Renderer(grid), real)}


def measure(judges: StyleJudges, seen: Seen, rows: Sequence[StylePrompt]) -> dict[str, Any]:
    """Shares of pictures in the reference's style, with the concept asked for, and with rather the
    reference's concept than that."""
    asked = [row.hexcode for row in rows]
    leaked = judges.rather(seen, [row.reference for row in rows], asked)
    hits = judges.style_hits(seen, [row.style for row in rows])
    by_style: dict[str, list[bool]] = {}
    for row, hit in zip(rows, hits, strict=True):
        by_style.setdefault(row.style, []).append(hit)
    return {
        "style": share(hits),
        "concept": share(judges.concept_hits(seen, asked)),
        "concept_top5": share(judges.concept_hits(seen, asked, 5)),
        "leak": share(leaked),
        "style_by_style": {style: share(own)["share"] for style, own in by_style.items()},
    }


def looks(
    judges: StyleJudges, seen: Seen, real: Seen, rows: Sequence[StylePrompt]
) -> dict[str, Any]:
    """How far the pictures of one text, without a reference, spread: against the real drawings of
    the same concepts in all styles. Cosine distances of features, and the effective number of
    styles (exp of the entropy) that the judge sees."""
    groups: dict[str, list[int]] = {}
    for number, row in enumerate(rows):
        groups.setdefault(row.hexcode, []).append(number)

    def spread(what: Seen) -> dict[str, float]:
        within = [float(pairwise(what.content[ns]).mean()) for ns in groups.values()]
        said = [best for (best,) in judges.style.top_k(what.look, 1)]
        counts = [Counter(said[n] for n in ns) for ns in groups.values()]
        return {
            "distance_within_prompt": float(np.mean(within)),
            "styles_within_prompt": float(np.mean([_effective(c) for c in counts])),
            "styles": _effective(Counter(said)),
        }

    return {"drawn": spread(seen), "real": spread(real)}


def _effective(counts: Counter[str]) -> float:
    shares = [n / counts.total() for n in counts.values()]
    return exp(-sum(s * log(s) for s in shares))


def shuffled(judges: StyleJudges, seen: Seen, rows: Sequence[StylePrompt]) -> dict[str, Any]:
    """The same pictures judged by the references' styles in a random order."""
    styles = [row.style for row in rows]  # in the list they recur: no fixed distance will do
    others = Random("shuffled").sample(styles, len(styles))
    return {"style": share(judges.style_hits(seen, others))}


def _aims(columns: dict[str, Any]) -> dict[str, float]:
    own, plain, real = (columns[n] for n in (OWN, "no reference", "real"))
    return {
        "style_share_of_ceiling": own["style"]["share"] / max(real["style"]["share"], 1e-9),
        "concept_points_lost": 100 * (plain["concept"]["share"] - own["concept"]["share"]),
    }


def _first_of_each(rows: Sequence[StylePrompt]) -> list[StylePrompt]:
    """The first row of every prompt."""
    first: dict[str, StylePrompt] = {}
    for row in rows:
        first.setdefault(row.prompt, row)
    return list(first.values())


def _arms(study: Study, plain: Sequence[Pixels]) -> tuple[dict[str, list[Pixels]], dict[str, Any]]:
    """T5 alone, CLIP text alone and both, without a reference: pictures of each prompt's first
    seed, and shares over all. plain: the column without a reference, which is that of both."""
    prompts = [row.prompt for row in study.rows]
    chosen = [n for n, prompt in enumerate(prompts) if prompts[:n].count(prompt) < NUM_ARM]
    rows = [study.rows[n] for n in chosen]
    firsts = [rows.index(row) for row in _first_of_each(rows)]
    asked = [row.hexcode for row in rows]
    pictures, shares = {}, {}
    for name, use in ARMS.items():
        if not set(use) <= set(study.subject.cascade.roles):
            continue
        both = name == "both"
        images = [plain[n] for n in chosen] if both else study.draw(name, rows, use=use)
        seen = study.judges.see(images)
        pictures[name] = [images[n] for n in firsts]
        shares[name] = {
            "concept": share(study.judges.concept_hits(seen, asked)),
            "concept_top5": share(study.judges.concept_hits(seen, asked, 5)),
        }
    return pictures, shares


def _variations(study: Study, styles: Sequence[Style]) -> dict[str, Any]:
    """Every third reference varied: is its style kept, and what it shows?"""
    rows = study.rows[::VARIED]
    named = f"references of {study.grid.fingerprint}"
    pictures = study.draw(
        "variations", rows, styles=tuple(styles[::VARIED]), named=named, words=False
    )
    seen, content = study.judges.see(pictures), [row.reference for row in rows]
    return {
        "style": share(study.judges.style_hits(seen, [row.style for row in rows])),
        "concept_top5": share(study.judges.concept_hits(seen, content, 5)),
        "chance_top5": 5 / len(study.judges.concept.labels),
    }


def _other_references(study: Study, folder: Path) -> None:
    """A sheet of the first prompts in the style of every picture in a folder."""
    paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in (".png", ".jpg", ".webp"))
    if not paths:
        raise UserError(f"{folder} has no pictures to take styles from")
    prompts = _first_of_each(study.rows)[:NUM_SHEET]
    rows = [row for _ in paths for row in prompts]
    styles = tuple(style for style in map(Style.of, paths) for _ in prompts)
    named = ", ".join(file_sha256(path) for path in paths)
    pictures = study.draw("other references", rows, styles=styles, named=named)
    sheet = study.subject.folder / "other-references.webp"
    reference_sheet(sheet, [path.stem for path in paths], prompts, pictures)


def _protocol(study: Study) -> dict[str, Any]:
    rows = study.rows
    return {
        "name": "style",
        **study.subject.facts(study.subject.base_side),
        "pictures": len(rows),
        "texts": len({row.prompt for row in rows}),
        "styles": list(dict.fromkeys(row.style for row in rows)),
        "references_held_out": sum(row.held_out for row in rows),
        "data": study.grid.fingerprint,
        "judges": study.judges.facts,
        "null": "the same pictures with the references in a random order",
    }
