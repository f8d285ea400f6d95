"""Two models on the same prompts and seeds: figures, and a page that opens from disk."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from torch import Tensor

from ediffi.core.files import make_folder, write_atomically
from ediffi.evaluate import scores
from ediffi.evaluate.evaluation import write_record
from ediffi.evaluate.gallery import Gallery, Open, Order
from ediffi.evaluate.judges import text_features
from ediffi.evaluate.pictures import Picture
from ediffi.evaluate.plots import percent
from ediffi.model import Cascade

if TYPE_CHECKING:
    from ediffi.evaluate.evaluation import Context

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
    context: Context, other: Cascade, open_other: Open, prompts: Sequence[str] | None = None
) -> dict[str, Any]:
    """Draw with both models and write `index.html` and `compare.json` to the context's folder.

    context: of the first model; its prompts, or `prompts`, are drawn by both with the same seeds.
    """
    make_folder(context.folder)
    asked = None if prompts is not None else context.asked
    texts = list(prompts or (asked.captions if asked else ()))
    pair = [(context.cascade, context.open_cascade), (other, open_other)]
    galleries, features = [], []
    for letter, (cascade, open_cascade) in zip("AB", pair, strict=True):
        order = Order(tuple(texts), tuple(range(len(texts))), context.stage)
        gallery = Gallery(context.folder / "pictures", order, cascade)
        tell = context.tell(f"pictures of {letter}", len(texts))
        gallery.draw(open_cascade, processes=context.processes, report=tell)
        galleries.append(gallery)
        features.append(context.features(f"features of {letter}", gallery))
    figures = _figures(context, texts, asked, features)
    record = {
        "models": [
            {
                "name": cascade.config.name,
                "hash": cascade.hash,
                "images_seen": {s.name: s.images_seen for s in cascade.config.stages},
                "sampling": {
                    s.name: s.sampling.model_dump(mode="json")
                    for s in cascade.config.stages
                    if s.resolution <= context.stage
                },
            }
            for cascade, _ in pair
        ],
        "stage": context.stage,
        "prompts": len(texts),
        "seeds": "a prompt's number",
        "extractor": {
            "name": context.judges.extractor.name,
            "sha256": context.judges.extractor.hash,
        },
        "judges": {"hash": context.judges.hash, "accuracy_on_real": context.judges.accuracy},
        "figures": figures,
    }
    write_record(context.folder / "compare.json", record)
    page = _page(record, texts, galleries)
    write_atomically(context.folder / "index.html", page.encode())
    return record


def _figures(
    context: Context, texts: Sequence[str], asked: scores.Asked | None, features: Sequence[Tensor]
) -> dict[str, Any]:
    """Each figure as [of A, of B]; a difference is B - A, paired by prompt and seed."""
    judges = context.judges
    words = asked.texts if asked else text_features(texts)
    cosines = [judges.matcher.score(f, words).double().numpy() for f in features]
    difference = cosines[1] - cosines[0]
    error = 1.96 * float(difference.std(ddof=1)) / len(difference) ** 0.5
    mean = float(difference.mean())
    out: dict[str, Any] = {
        "match_cosine": [float(c.mean()) for c in cosines],
        "match_difference": {"value": mean, "low": mean - error, "high": mean + error},
        "b_fits_better": scores.share([bool(d > 0) for d in difference]),
    }
    if asked is not None:
        reference = context.real("reference")
        out["kid_x1000"] = [scores.kid_scores(f, reference) for f in features]
        for name, measure in (("concept", scores.concept_scores), ("style", scores.style_scores)):
            out[name] = [measure(judges, f, asked)["top1"] for f in features]
    return out


def _page(record: dict[str, Any], texts: Sequence[str], galleries: Sequence[Gallery]) -> str:
    names = [
        f"{html.escape(m['name'])} <code>{(m['hash'] or 'unsaved')[:12]}</code>"
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
        ("B - A (95 %)", ["", f"{d['value']:+.3f} ({d['low']:+.3f} to {d['high']:+.3f})"]),
        ("prompts that B's picture fits better", ["", percent(figures["b_fits_better"]["share"])]),
    ]
    if "kid_x1000" in figures:
        text = [
            f"{k['value']:.2f} ({k['low']:.2f} to {k['high']:.2f})" for k in figures["kid_x1000"]
        ]
        rows.append(("kernel distance x 1000 (95 %)", text))
    for name in ("concept", "style"):
        if name in figures:
            text = [f"{percent(s['share'])} of {s['pictures']}" for s in figures[name]]
            rows.append((f"{name} recognised", text))
    return rows


def _spread(num: int, most: int) -> list[int]:
    most = min(num, most)
    return [i * num // most for i in range(most)]


def _data_url(picture: Picture) -> str:
    image = Image.fromarray(np.ascontiguousarray(picture))
    if picture.shape[0] > SHOWN:
        image = image.resize((SHOWN, SHOWN), Image.Resampling.BOX)
    file = io.BytesIO()
    image.save(file, "WEBP", lossless=True)
    return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"
