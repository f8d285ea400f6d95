"""Two models on the same prompts and seeds: figures, and a page that opens from disk."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from ediffi.core.files import write_atomically
from ediffi.core.types import Pixels
from ediffi.evaluate.evaluation import Evaluation
from ediffi.evaluate.gallery import Gallery, Subject
from ediffi.evaluate.judges import text_features
from ediffi.evaluate.metrics import Asked, concept, kernel_distance, style
from ediffi.evaluate.record import write_record
from ediffi.evaluate.report import interval, percent
from ediffi.evaluate.shares import share

SHOWN = 256  # pixels: small pictures are enlarged by whole pixels, larger ones averaged down
PAGE_PICTURES = 64

STYLE = """
body{font:15px/1.4 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;color:#222}
table{border-collapse:collapse;margin:1rem 0}td,th{padding:.3rem .8rem;border-bottom:1px solid #ddd;
text-align:left}figure,.head{margin:1rem 0;display:grid;grid-template-columns:1fr 256px 256px;
gap:1rem;align-items:center}.head{position:sticky;top:0;background:#fff;font-weight:bold}
img{width:256px;height:256px;image-rendering:pixelated}code{font-size:.85em}
@media(max-width:45rem){figure,.head{grid-template-columns:1fr 1fr}figcaption{grid-column:1/3}
.head i{display:none}img{width:100%;height:auto}}
"""


def compare(
    evaluation: Evaluation, other: Subject, prompts: Sequence[str] | None = None
) -> dict[str, Any]:
    """Draw with both models and write `index.html` and `compare.json` to the first one's folder.

    evaluation: of the first model; its prompts, or `prompts`, are drawn by both with the same
    seeds.
    """
    asked = evaluation.asked if prompts is None else None
    texts = list(prompts or evaluation.asked.captions)
    judges, stage = evaluation.judges, evaluation.stage
    subjects = {"A": evaluation.subject, "B": other}
    galleries, features = [], []
    for letter, subject in subjects.items():
        galleries.append(subject.draw_prompts(f"pictures of {letter}", texts, stage))
        features.append(subject.features(galleries[-1], evaluation.extractor, letter))
    record = {
        "models": [subject.facts(stage) for subject in subjects.values()],
        "stage": stage,
        "prompts": len(texts),
        "seeds": "a prompt's number",
        "extractor": {"name": evaluation.extractor.name, "sha256": evaluation.extractor.hash},
        "judges": {"hash": judges.hash, "accuracy_on_real": judges.accuracy},
        "figures": _figures(evaluation, texts, asked, features),
    }
    folder = evaluation.subject.folder
    write_record(folder / "compare.json", record)
    write_atomically(folder / "index.html", _page(record, texts, galleries).encode())
    return record


def _figures(
    evaluation: Evaluation, texts: Sequence[str], asked: Asked | None, features: Sequence[Tensor]
) -> dict[str, Any]:
    """Each figure as [of A, of B]; a difference is B - A, paired by prompt and seed."""
    judges = evaluation.judges
    words = asked.texts if asked else text_features(texts)
    cosines = [judges.matcher.score(f, words).double().numpy() for f in features]
    difference = cosines[1] - cosines[0]
    error = 1.96 * float(difference.std(ddof=1)) / len(difference) ** 0.5
    mean = float(difference.mean())
    out: dict[str, Any] = {
        "match_cosine": [float(c.mean()) for c in cosines],
        "match_difference": {"value": mean, "low": mean - error, "high": mean + error},
        "b_fits_better": share([bool(d > 0) for d in difference]),
    }
    if asked is not None:
        both = [evaluation.seen(f) for f in features]
        out["kid_x1000"] = [kernel_distance(seen) for seen in both]
        for name, measure in (("concept", concept), ("style", style)):
            if name in evaluation.metrics:
                out[name] = [measure(seen)["top1"] for seen in both]
    return out


def _page(record: dict[str, Any], texts: Sequence[str], galleries: Sequence[Gallery]) -> str:
    names = [
        f"{html.escape(m['model'])} <code>{(m['model_hash'] or 'unsaved')[:12]}</code>"
        for m in record["models"]
    ]
    rows = "".join(
        f"<tr><td>{label}</td>{''.join(f'<td>{value}</td>' for value in values)}</tr>"
        for label, values in _rows(record["figures"])
    )
    figures = "".join(
        f"<figure><figcaption>{html.escape(texts[n])}<br><small>seed {n}</small></figcaption>"
        + "".join(
            f'<img alt="{letter}, seed {n}" src="{_data_url(gallery.picture(n))}">'
            for letter, gallery in zip("AB", galleries, strict=True)
        )
        + "</figure>"
        for n in _spread(len(texts), PAGE_PICTURES)
    )
    shown = min(len(texts), PAGE_PICTURES)
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>A and B</title><style>{STYLE}</style>"
        f"<h1>A: {names[0]}<br>B: {names[1]}</h1>"
        f"<p>{record['prompts']} prompts, the same seeds, {record['stage']} px, each model as it "
        f"ships; {shown} evenly spaced ones are shown. Judge: {record['extractor']['name']}.</p>"
        f"<table><tr><th></th><th>A</th><th>B</th></tr>{rows}</table>"
        f'<div class="head"><i></i>A<span>B</span></div>{figures}</html>\n'
    )


def _rows(figures: dict[str, Any]) -> list[tuple[str, list[str]]]:
    d = figures["match_difference"]
    rows = [
        ("picture fits caption: cosine", [f"{value:.3f}" for value in figures["match_cosine"]]),
        ("B - A (95 %)", ["", interval(d, "+.3f")]),
        ("prompts that B's picture fits better", ["", percent(figures["b_fits_better"]["share"])]),
    ]
    if "kid_x1000" in figures:
        rows.append(("kernel distance x 1000 (95 %)", [interval(k) for k in figures["kid_x1000"]]))
    for name in ("concept", "style"):
        if name in figures:
            text = [f"{percent(s['share'])} of {s['pictures']}" for s in figures[name]]
            rows.append((f"{name} recognised", text))
    return rows


def _spread(num: int, most: int) -> list[int]:
    most = min(num, most)
    return [i * num // most for i in range(most)]


def _data_url(picture: Pixels) -> str:
    image = Image.fromarray(np.ascontiguousarray(picture))
    if picture.shape[0] > SHOWN:
        image = image.resize((SHOWN, SHOWN), Image.Resampling.BOX)
    file = io.BytesIO()
    image.save(file, "WEBP", lossless=True)
    return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"
