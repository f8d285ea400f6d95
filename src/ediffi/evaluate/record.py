"""One evaluation: draw, score, and a record that holds the whole protocol.

A record is a pure function of its settings: run again after an interruption, everything in it but
`timestamps` is the same, byte for byte.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ediffi.core.errors import UserError
from ediffi.encoders import DEFAULT_TEXT
from ediffi.evaluate.evaluation import DISTANCES, Evaluation, Settings
from ediffi.evaluate.metrics import AT_EVERY_GUIDANCE, AT_SHIPPED_GUIDANCE, METRICS, Seen
from ediffi.evaluate.subject import Clock, write_record
from ediffi.model import stages_to_run


def evaluate(evaluation: Evaluation) -> dict[str, Any]:
    """Draw, score and write `record.json` to the subject's folder; returns the record."""
    clock = Clock()
    subject, judges = evaluation.subject, evaluation.judges
    stages_to_run(subject.cascade.config, evaluation.stage)  # a wrong --stage is told first
    scales = evaluation.settings.guidance or (evaluation.shipped_guidance,)
    left_out = {
        evaluation.data.name_of(own): evaluation.data.name_of(other)
        for own, other in judges.left_out.items()
    }
    record: dict[str, Any] = {
        "protocol": protocol(evaluation),
        "judges": {"accuracy_on_real": judges.accuracy, "left_out": left_out},
        "curve": [],
        "real": {},
    }
    if any(name in AT_EVERY_GUIDANCE for name in evaluation.metrics):
        record["curve"] = [_point(evaluation, scale) for scale in scales]
        record["real"] = _real(evaluation)
    for name, measure in AT_SHIPPED_GUIDANCE.items():
        if name in evaluation.metrics:
            record[name] = {"guidance": evaluation.shipped_guidance, **measure(evaluation)}
    record["timestamps"] = clock.stamps(subject.processes)
    write_record(subject.folder / "record.json", record)
    return record


def protocol(evaluation: Evaluation) -> dict[str, Any]:
    """All that a figure depends on."""
    extractor = evaluation.extractor
    names = {kind: f"{kind}-{extractor.name}" for kind in DISTANCES}
    return {
        "settings": evaluation.settings.model_dump(mode="json"),
        **evaluation.subject.facts(evaluation.stage),
        "data": evaluation.data.facts(),
        "seeds": "a prompt's number",
        "names": {"clip": f"match-{extractor.name}-minilm", **names},
        "extractor": {
            "name": extractor.name,
            "sha256": extractor.hash,
            "resize": extractor.resize,
        },
        "judges": evaluation.judges.hash,
        "text_features": {"source": DEFAULT_TEXT.source, "sha256": DEFAULT_TEXT.sha256},
        "reference": "as many other pictures of the same kind",
        "null": "each picture with the prompt half the list further",
    }


def _point(evaluation: Evaluation, guidance: float) -> dict[str, Any]:
    """All metrics of the curve at one guidance scale."""
    what = f"pictures, guidance {guidance:g}"
    features = evaluation.drawn_features(what, evaluation.asked.captions, guidance)
    return {"guidance": guidance, **_scores(evaluation, evaluation.seen(features))}


def _scores(evaluation: Evaluation, seen: Seen, names: Sequence[str] = METRICS) -> dict[str, Any]:
    return {
        name: measure(seen)
        for name, measure in AT_EVERY_GUIDANCE.items()
        if name in evaluation.metrics and name in names
    }


def _real(evaluation: Evaluation) -> dict[str, Any]:
    """What real pictures score: the prompts' own as if they were drawn (ceilings, and the floor
    that comes from sampling), and disjoint drawings against each other."""
    prompts = evaluation.seen(evaluation.real(evaluation.data.prompts))
    out = {"prompts": _scores(evaluation, prompts)}
    if evaluation.wants_distances and evaluation.data.halves:
        first, second = (evaluation.real(half) for half in evaluation.data.halves)
        halves = Seen(first, evaluation.asked, second, evaluation.judges)
        out["disjoint_halves"] = _scores(evaluation, halves, DISTANCES)
    return out


def read_record(path: Path) -> tuple[Settings, dict[str, Any]]:
    """The settings of a record, to run it again, and the whole of it."""
    try:
        record = json.loads(path.read_text())
        return Settings.model_validate(record["protocol"]["settings"]), record
    except OSError as error:
        raise UserError(f"cannot read the record {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is no record of an evaluation: {error}") from error
