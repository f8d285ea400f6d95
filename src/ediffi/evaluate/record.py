"""One evaluation: draw, score, and a record that holds the whole protocol.

A record is a pure function of its settings: run again after an interruption, everything in it but
`timestamps` is the same, byte for byte.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ediffi.core.errors import UserError
from ediffi.core.files import make_folder, write_atomically
from ediffi.encoders import DEFAULT_TEXT
from ediffi.evaluate.evaluation import DISTANCES, Evaluation, Settings
from ediffi.evaluate.metrics import AT_EVERY_GUIDANCE, AT_SHIPPED_GUIDANCE, METRICS, Seen


def evaluate(evaluation: Evaluation) -> dict[str, Any]:
    """Draw, score and write `record.json` to the subject's folder; returns the record."""
    clock = Clock()
    judges, name_of = evaluation.judges, evaluation.data.name_of
    left_out = {name_of(own): name_of(other) for own, other in judges.left_out.items()}
    record: dict[str, Any] = {
        "protocol": protocol(evaluation),
        "judges": {"accuracy_on_real": judges.accuracy, "left_out": left_out},
        "curve": [],
        "real": {},
    }
    if any(name in AT_EVERY_GUIDANCE for name in evaluation.metrics):
        for scale in evaluation.settings.guidance or (evaluation.shipped_guidance,):
            what = f"pictures, guidance {scale:g}"
            seen = evaluation.seen(evaluation.drawn(what, evaluation.asked.captions, scale))
            record["curve"].append({"guidance": scale, **_scores(evaluation, seen)})
        record["real"] = _real(evaluation)
    for name, measure in AT_SHIPPED_GUIDANCE.items():
        if name in evaluation.metrics:
            record[name] = {"guidance": evaluation.shipped_guidance, **measure(evaluation)}
    record["timestamps"] = clock.stamps(evaluation.subject.processes)
    write_record(evaluation.subject.folder / "record.json", record)
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


class Clock:
    """When work began, for a record's `timestamps`, which are all of it that may differ."""

    def __init__(self) -> None:
        self.began, self._start = datetime.now(UTC), time.perf_counter()

    def stamps(self, processes: int) -> dict[str, Any]:
        """When, how long until now, and with how many processes."""
        return {
            "started": self.began.isoformat(timespec="seconds"),
            "processes": processes,
            "seconds": round(time.perf_counter() - self._start, 1),
        }


def write_record(path: Path, record: dict[str, Any]) -> None:
    """Indented JSON; the folder is made."""
    make_folder(path.parent)
    write_atomically(path, (json.dumps(record, indent=2) + "\n").encode())


def read_record(path: Path) -> tuple[Settings, dict[str, Any]]:
    """The settings of a record, to run it again, and the whole of it."""
    try:
        record = json.loads(path.read_text())
        return Settings.model_validate(record["protocol"]["settings"]), record
    except OSError as error:
        raise UserError(f"cannot read the record {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is no record of an evaluation: {error}") from error
