"""The protocol `clip`: what a CLIP knows of drawings that were never trained on.

Real drawings of the pictogram grid, one to a picture, are matched with one sentence for each
concept of the grid; a linear probe on the pictures' embeddings tells the style. Apart stand
held-out cells of concepts that other styles taught, concepts that were held out whole, and what
training may see; each of the first and last also for the default vocabulary alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from ediffi.core.files import write_atomically
from ediffi.data.heldout import is_concept_held_out
from ediffi.encoders.clip import ClipImageEncoder, ClipTextEncoder
from ediffi.encoders.spec import EncoderSpec, resolve, weights_hash
from ediffi.encoders.text import TextEncoder
from ediffi.evaluate.features import Report
from ediffi.evaluate.heads import LinearHead
from ediffi.evaluate.record import write_record
from ediffi.evaluate.report import table
from ediffi.pictogram.captions import STYLES
from ediffi.pictogram.drawings import draw, real_picture
from ediffi.pictogram.grammar import article, indefinite
from ediffi.pictogram.grid import Cell, Grid
from ediffi.pictogram.render import Renderer
from ediffi.pictogram.scene import vocabulary, words

SEED = "clip"
BATCH = 64
RESAMPLES = 1_000
TOPS = (1, 5)


@dataclass(frozen=True)
class Seen:
    """One real picture of each cell. embeds: (N, D), of length 1."""

    cells: list[Cell]
    embeds: Tensor

    def rows(self, kind: str) -> list[int]:
        """Numbers of the cells of that kind, see `kind_of`."""
        return [row for row, cell in enumerate(self.cells) if kind_of(cell) == kind]

    def among(self, rows: Sequence[int], hexcodes: Sequence[str]) -> list[int]:
        """Those of the rows that show one of these concepts."""
        wanted = set(hexcodes)
        return [row for row in rows if self.cells[row].hexcode in wanted]


def kind_of(cell: Cell) -> str:
    """train, held-out (the concept is taught by other styles) or new (in no style)."""
    if not cell.held_out:
        return "train"
    bases = (cell.hexcode, cell.base)
    return "new" if any(is_concept_held_out(h) for h in bases if h) else "held-out"


def run(source: str, out_dir: Path, *, grid: Grid, report: Report) -> dict[str, Any]:
    """Measure the CLIP in the folder (or of the hub name) `source`, and write `clip.json` and
    `clip.md` to `out_dir`."""
    texts = ClipTextEncoder.load(EncoderSpec(kind="clip_text", source=source))
    spec = EncoderSpec(kind="clip_image", source=source)
    images = ClipImageEncoder.load(spec)
    hexcodes = sorted({cell.hexcode for cell in grid.cells.values()})
    labels = _labels(grid)
    side = int(images.model.config.image_size)
    seen = _see(grid, images, side, report)
    said = _embed(texts, [f"a drawing of {article(labels[h])}" for h in hexcodes], report)
    styles = [style for style in grid.styles if style in STYLES]
    names = [STYLES[style][0][0] for style in styles]
    told = _embed(texts, [f"{indefinite(name)} {name}" for name in names], report)
    probe = _probe(seen)
    known = [h for h in hexcodes if h in vocabulary()]
    held = seen.rows("held-out")
    trained = seen.rows("train")
    asked = {
        "held-out": (held, hexcodes),
        "vocabulary": (seen.among(held, known), known),
        "new": (seen.rows("new"), hexcodes),
        "train": (trained, hexcodes),
        "train-vocabulary": (seen.among(trained, known), known),
    }
    results: dict[str, Any] = {
        "protocol": {
            "name": "clip",
            "clip": Path(source).name,
            "clip_sha256": weights_hash(resolve(spec)),
            "data": grid.fingerprint,
            "pictures": f"one drawing on a plain background, {side} px, seed {SEED!r}",
            "sentences": "'a drawing of' and the concept's first word, one for each concept",
            "style_sentences": "the style's first name in captions",
            "concepts": len(hexcodes),
            "interval": f"95 %, bootstrap over concepts, {RESAMPLES} resamples",
        }
    }
    place = {hexcode: number for number, hexcode in enumerate(hexcodes)}
    for kind, (rows, among) in asked.items():
        if rows:
            sentences = said[[place[h] for h in among]]
            results[kind] = _measured(seen, rows, sentences, among, probe, told, styles)
    write_record(out_dir / "clip.json", results)
    write_atomically(out_dir / "clip.md", page(results).encode())
    return results


def _labels(grid: Grid) -> dict[str, str]:
    known = words()
    return {h: known[h][0] if h in known else c.label for h, c in grid.concepts.items()}


def _see(grid: Grid, encoder: ClipImageEncoder, side: int, report: Report) -> Seen:
    cells, renderer = list(grid.cells.values()), Renderer(grid)
    parts = []
    for start in range(0, len(cells), BATCH):
        some = cells[start : start + BATCH]
        pictures = draw(renderer, [real_picture(cell, size=side, seed=SEED) for cell in some])
        parts.append(encoder.encode([Image.fromarray(p) for p in pictures]).states[:, 0])
        report("pictures", len(some), len(cells))
    return Seen(cells, F.normalize(torch.cat(parts), dim=1))


def _embed(encoder: TextEncoder, sentences: Sequence[str], report: Report) -> Tensor:
    parts = []
    for start in range(0, len(sentences), BATCH):
        pooled = encoder.encode(sentences[start : start + BATCH]).pooled
        assert pooled is not None
        parts.append(pooled)
        report("sentences", len(parts[-1]), len(sentences))
    return F.normalize(torch.cat(parts), dim=1)


def _probe(seen: Seen) -> LinearHead:
    """Tells the style, fitted on the cells that training may see."""
    rows = seen.rows("train")
    return LinearHead.fit(seen.embeds[rows], [seen.cells[row].style for row in rows])


def _measured(
    seen: Seen,
    rows: Sequence[int],
    said: Tensor,
    hexcodes: Sequence[str],
    probe: LinearHead,
    told: Tensor,
    styles: Sequence[str],
) -> dict[str, Any]:
    """Every figure of the pictures in these rows. said: (C, D) of the concepts' sentences; told:
    (S, D) of the styles'."""
    cells, embeds = [seen.cells[row] for row in rows], seen.embeds[list(rows)]
    own = torch.tensor([hexcodes.index(cell.hexcode) for cell in cells])
    image_ranks = ranks(embeds @ said.T, own)
    text_ranks, galleries = _text_ranks(seen, rows, said[own], hexcodes)
    named = (embeds @ told.T).argmax(1).tolist()
    out: dict[str, Any] = {"pictures": len(rows), "concepts": len({c.hexcode for c in cells})}
    groups = [cell.hexcode for cell in cells]
    for top in TOPS:
        out[f"image_to_text_top{top}"] = {
            **clustered_share(image_ranks < top, groups),
            "chance": top / len(hexcodes),
        }
        out[f"text_to_image_top{top}"] = {
            **clustered_share(text_ranks < top, groups),
            "chance": float((top / galleries).mean()),
        }
    truth = [cell.style for cell in cells]
    hits = np.array(probe.hits(embeds, truth))
    out["style_probe"] = {**clustered_share(hits, groups), "chance": _largest(truth)}
    hits = np.array([styles[n] == style for n, style in zip(named, truth, strict=True)])
    out["style_by_words"] = {**clustered_share(hits, groups), "chance": 1 / len(styles)}
    return out


def _text_ranks(
    seen: Seen, rows: Sequence[int], texts: Tensor, hexcodes: Sequence[str]
) -> tuple[Any, Any]:
    """Each picture's rank, by its concept's sentence, among all cells of its style of these
    concepts; and how many those are."""
    wanted = set(hexcodes)
    by_style: dict[str, list[int]] = {}
    for row, cell in enumerate(seen.cells):
        if cell.hexcode in wanted:
            by_style.setdefault(cell.style, []).append(row)
    found, sizes = [], []
    for row, text in zip(rows, texts, strict=True):
        gallery = by_style[seen.cells[row].style]
        scores = seen.embeds[gallery] @ text
        found.append(int((scores > seen.embeds[row] @ text).sum()))
        sizes.append(len(gallery))
    return np.array(found), np.array(sizes)


def ranks(scores: Tensor, own: Tensor) -> Any:
    """(N, C) scores and (N,) right answers -> (N,), how many answers score higher than the right
    one.

    >>> ranks(torch.tensor([[0.1, 0.9, 0.5]]), torch.tensor([2]))
    array([1])
    """
    right = scores.gather(1, own[:, None])
    return (scores > right).sum(1).numpy()


def clustered_share(hits: Any, groups: Sequence[str]) -> dict[str, Any]:
    """The share of hits, and its 95 % interval by resampling whole groups: pictures of one concept
    are not independent. hits: (N,) bool; groups: N."""
    names, which = np.unique(np.array(groups), return_inverse=True)
    sums = np.bincount(which, hits.astype(float), len(names))
    counts = np.bincount(which, minlength=len(names))
    rng = np.random.default_rng(0)
    some = rng.integers(0, len(names), (RESAMPLES, len(names)))
    resampled = sums[some].sum(1) / counts[some].sum(1)
    low, high = np.quantile(resampled, (0.025, 0.975))
    return {"share": float(hits.mean()), "interval": [float(low), float(high)]}


def _largest(names: Sequence[str]) -> float:
    """What always saying the commonest gets."""
    return float(np.unique(np.array(names), return_counts=True)[1].max() / len(names))


ROWS = {
    "image_to_text_top1": "picture to text, top 1",
    "image_to_text_top5": "picture to text, top 5",
    "text_to_image_top1": "text to picture, top 1",
    "text_to_image_top5": "text to picture, top 5",
    "style_probe": "style, linear probe",
    "style_by_words": "style, by its name",
}
COLUMNS = {
    "held-out": "held-out cells, all concepts",
    "vocabulary": "held-out cells, default vocabulary",
    "new": "held-out concepts",
    "train": "drawings not held out, all concepts",
    "train-vocabulary": "drawings not held out, default vocabulary",
}


def page(results: dict[str, Any]) -> str:
    """The figures as a page in Markdown."""
    protocol = results["protocol"]
    kinds = [kind for kind in COLUMNS if kind in results]
    head = [f"{COLUMNS[kind]} ({results[kind]['pictures']} pictures)" for kind in kinds]
    rows = [["", *head]]
    rows += [[name, *(_cell(results[kind][key]) for kind in kinds)] for key, name in ROWS.items()]
    lines = [
        "# What the small CLIP knows of drawings it never saw",
        "",
        f"`python -m studies clip --clip {protocol['clip']}` on weights "
        f"`{protocol['clip_sha256'][:12]}`; {protocol['pictures']}. Share with its interval "
        f"({protocol['interval']}), and chance.",
        "",
        table(rows),
    ]
    lines += [
        "",
        f"Picture to text: among one sentence for each of {protocol['concepts']:,} concepts (of "
        "the default vocabulary: among its own). Text to picture: among one drawing for each "
        "concept in the picture's style. The probe is fitted on the drawings that are not held out "
        "(so the last two columns are no test of it); its chance is the share of the commonest "
        "style.",
    ]
    return "\n".join(lines) + "\n"


def _cell(row: dict[str, Any]) -> str:
    low, high = row["interval"]
    return f"{row['share']:.1%} ({low:.1%} to {high:.1%}); {row['chance']:.1%}"
