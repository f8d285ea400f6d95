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

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from math import exp, log
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ediffi.core.errors import UserError
from ediffi.core.files import write_atomically
from ediffi.encoders import Style
from ediffi.evaluate.diversity import pairwise
from ediffi.evaluate.pictures import Picture, Report, drawn
from ediffi.evaluate.real import draw
from ediffi.evaluate.scores import share
from ediffi.model import Cascade
from ediffi.pictogram.grid import Grid
from ediffi.pictogram.render import Renderer
from ediffi.pictogram.sources import cache_root
from studies.style_judge import Seen, StyleJudges, open_style_judges
from studies.style_prompts import StylePrompt, read_style_prompts
from studies.style_sheets import reference_sheet, role_sheet, style_sheet

WEAK, STRONG = 0.5, 2.0  # beside 1, of the sheet's prompts only: they take half as long again
NUM_SHEET = 6  # prompts
NUM_ARM = 4  # seeds of each prompt for T5 alone, CLIP alone and both
ARMS = {"T5 alone": ("t5",), "CLIP text alone": ("clip_text",), "both": ("t5", "clip_text")}
VARIED = 3  # every third reference
BATCH = 16
DTYPE = torch.bfloat16
Draw = Callable[[list[int]], Tensor]


@dataclass(frozen=True)
class Study:
    """What all parts of the protocol share."""

    cascade: Cascade
    rows: list[StylePrompt]
    grid: Grid
    judges: StyleJudges
    folder: Path
    report: Report

    @property
    def side(self) -> int:
        return self.cascade.config.stages[0].resolution

    def drawn(self, name: str, num: int, paint: Draw) -> list[Picture]:
        """The pictures of one column, from the folder where they are already."""
        tell = lambda more: self.report(name, more, num)  # noqa: E731
        return drawn(self.folder / name.replace(" ", "-"), num, paint, batch=BATCH, on_done=tell)

    def paint(self, rows: Sequence[StylePrompt], **options: Any) -> Draw:
        """Draws rows by number. styles in options: one for each row."""
        styles = options.pop("styles", None)

        def paint(numbers: list[int]) -> Tensor:
            chosen = {} if styles is None else {"style": [styles[n] for n in numbers]}
            return self.cascade.generate(
                [rows[n].prompt for n in numbers],
                seeds=[rows[n].seed for n in numbers],
                stop_at=self.side,
                dtype=DTYPE,
                **chosen,
                **options,
            )

        return paint


def run(
    cascade: Cascade,
    prompts_file: Path | Traversable,
    out_dir: Path,
    *,
    grid: Grid | None = None,
    references: Path | None = None,
    cache_dir: Path | None = None,
    report: Report = lambda what, more, total: None,
) -> dict[str, Any]:
    """Draw, measure, and write `style.json` and WebP sheets to `out_dir`.

    Pictures are kept in out_dir/style-<model's hash>-<list's hash>: running it again goes on.

    Args:
        references: folder of pictures of other styles, for a sheet of their own.
    """
    rows = read_style_prompts(prompts_file)
    if len({row.hexcode for row in rows}) < 2 or len({row.style for row in rows}) < 2:
        raise UserError(f"{prompts_file}: at least two prompts and two styles are needed")
    if "clip_image" not in cascade.roles:
        raise UserError(f"{cascade.config.name} has no clip_image encoder: it reads no references")
    grid = grid or Grid.load()
    digest = hashlib.sha256(prompts_file.read_bytes()).hexdigest()
    judges = open_style_judges(grid, rows, (cache_dir or cache_root()) / "judges", report)
    folder = out_dir / f"style-{(cascade.hash or 'unsaved')[:12]}-{digest[:12]}"
    study = Study(cascade, rows, grid, judges, folder, report)
    shown = draw(Renderer(grid), [row.picture(grid) for row in rows])
    styles = [Style.of(picture) for picture in shown]
    columns = {"no reference": study.drawn("no reference", len(rows), study.paint(rows))}
    told = study.paint([row.in_words() for row in rows])
    columns["style in words"] = study.drawn("style in words", len(rows), told)
    some = NUM_SHEET * len({row.style for row in rows})
    for strength, num in ((WEAK, some), (1.0, len(rows)), (STRONG, some)):
        name = f"reference, strength {strength:g}"
        paint = study.paint(rows, styles=styles, style_strength=strength)
        columns[name] = study.drawn(name, min(num, len(rows)), paint)
    columns["real"] = draw(Renderer(grid), [row.real(grid, study.side) for row in rows])
    seen = {name: judges.see(pictures) for name, pictures in columns.items()}
    arms, arm_shares = _arms(study, columns["no reference"])
    results: dict[str, Any] = {
        "protocol": _protocol(study) | {"prompts": prompts_file.name, "prompts_sha256": digest},
        "judges_on_real": judges.accuracy,
        "columns": {
            name: measure(judges, what, rows[: len(columns[name])]) for name, what in seen.items()
        },
        "arms": arm_shares,
        "looks": looks(judges, seen["no reference"], seen["real"], rows),
        "variations": _variations(study, shown, styles),
    }
    results["columns"] |= {"shuffled": shuffled(judges, seen["reference, strength 1"], rows)}
    results["aims"] = _aims(results["columns"])
    write_atomically(out_dir / "style.json", (json.dumps(results, indent=2) + "\n").encode())
    own = columns["reference, strength 1"]
    style_sheet(out_dir / "style.webp", rows[:some], own, shown)
    role_sheet(out_dir / "roles.webp", _first_of_each(rows)[:NUM_SHEET], arms)
    if references is not None:
        _other_references(study, references, out_dir)
    return results


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
    own, plain, real = (columns[n] for n in ("reference, strength 1", "no reference", "real"))
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


def _arms(
    study: Study, plain: Sequence[Picture]
) -> tuple[dict[str, list[Picture]], dict[str, Any]]:
    """T5 alone, CLIP text alone and both, without a reference: pictures of each prompt's first
    seed, and shares over all. plain: the column without a reference, which is that of both."""
    prompts = [row.prompt for row in study.rows]
    chosen = [n for n, prompt in enumerate(prompts) if prompts[:n].count(prompt) < NUM_ARM]
    rows = [study.rows[n] for n in chosen]
    firsts = [rows.index(row) for row in _first_of_each(rows)]
    pictures, shares = {}, {}
    for name, use in ARMS.items():
        if not set(use) <= set(study.cascade.roles):
            continue
        if name == "both":
            images = [plain[n] for n in chosen]
        else:
            images = study.drawn(name, len(rows), study.paint(rows, use=use))
        seen = study.judges.see(images)
        asked = [row.hexcode for row in rows]
        pictures[name] = [images[n] for n in firsts]
        shares[name] = {
            "concept": share(study.judges.concept_hits(seen, asked)),
            "concept_top5": share(study.judges.concept_hits(seen, asked, 5)),
        }
    return pictures, shares


def _variations(study: Study, shown: Sequence[Picture], styles: Sequence[Style]) -> dict[str, Any]:
    """Every third reference varied: is its style kept, and what it shows?"""
    chosen = list(range(0, len(study.rows), VARIED))

    def paint(numbers: list[int]) -> Tensor:
        return study.cascade.generate(
            None,
            style=[styles[chosen[n]] for n in numbers],
            seeds=[study.rows[chosen[n]].seed for n in numbers],
            stop_at=study.side,
            dtype=DTYPE,
        )

    pictures = study.drawn("variations", len(chosen), paint)
    seen = study.judges.see(pictures)
    kept = [study.rows[n].style for n in chosen]
    content = [study.rows[n].reference for n in chosen]
    return {
        "style": share(study.judges.style_hits(seen, kept)),
        "concept_top5": share(study.judges.concept_hits(seen, content, 5)),
        "chance_top5": 5 / len(study.judges.concept.labels),
    }


def _other_references(study: Study, folder: Path, out_dir: Path) -> None:
    """A sheet of the first prompts in the style of every picture in a folder."""
    paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in (".png", ".jpg", ".webp"))
    if not paths:
        raise UserError(f"{folder} has no pictures to take styles from")
    prompts = _first_of_each(study.rows)[:NUM_SHEET]
    rows = [row for _ in paths for row in prompts]
    styles = [style for style in map(Style.of, paths) for _ in prompts]
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()[:12]
    name = f"other references {digest}"
    pictures = study.drawn(name, len(rows), study.paint(rows, styles=styles))
    names = [path.stem for path in paths]
    reference_sheet(out_dir / "other-references.webp", names, prompts, pictures)


def _protocol(study: Study) -> dict[str, Any]:
    config, rows = study.cascade.config, study.rows
    return {
        "name": "style",
        "model": config.name,
        "model_hash": study.cascade.hash,
        "images_seen": {stage.name: stage.images_seen for stage in config.stages},
        "encoders": {role: spec.sha256 for role, spec in config.encoders.items()},
        "sampling": config.stages[0].sampling.model_dump(mode="json"),
        "dtype": str(DTYPE).removeprefix("torch."),
        "torch": torch.__version__,
        "pictures": len(rows),
        "texts": len({row.prompt for row in rows}),
        "styles": list(dict.fromkeys(row.style for row in rows)),
        "references_held_out": sum(row.held_out for row in rows),
        "data": study.grid.fingerprint,
        "judges": study.judges.facts,
        "null": "the same pictures with the references in a random order",
    }
