"""Where the words of a finished picture's prompt went, computed once and kept beside it."""

from __future__ import annotations

import base64
import json
import threading
from typing import Any

from torch import Tensor

from ediffi.core.files import write_atomically
from ediffi.core.types import Pixels
from ediffi.model.attention import WordMap, word_maps
from ediffi.server.errors import ApiError
from ediffi.server.jobs import Jobs
from ediffi.server.store import Row
from ediffi.server.words import Words

LOOKING = threading.Lock()  # one at a time: it draws beside the engine


def attention(jobs: Jobs, words: Words, row: Row, picture: int) -> dict[str, Any]:
    """{"phrases": [{"word", "start", "end", "size", "map"}]}: start and end in the prompt as typed,
    null for a word that was not typed; map: (height, width) of bytes, base64, 255 where any word
    was looked at most.

    Raises:
        ApiError: 404 no such picture; 400 it was drawn without words.
    """
    if not 0 <= picture < row.num_pictures:
        raise ApiError(404, f"the job has {row.num_pictures} pictures", param="n")
    path = jobs.store.files(row.id) / f"{picture}.attention.json"
    if not path.is_file():
        with LOOKING:
            found = json.dumps({"phrases": _phrases(jobs, words, row, picture)})
        write_atomically(path, found.encode())
    kept: dict[str, Any] = json.loads(path.read_bytes())
    return kept


def _phrases(jobs: Jobs, words: Words, row: Row, picture: int) -> list[dict[str, Any]]:
    body = jobs.store.request(row.id)
    plans = jobs.planned(body).batches(1)
    plan = next(part for number, part in enumerate(plans) if number == picture)
    prompt = plan.subjects[0].prompt
    if prompt is None or plan.low_res is not None:
        raise ApiError(400, "this picture was not drawn from words")
    (maps,) = word_maps(plan, jobs.cascade)
    meant = words.read(prompt, whole=json.loads(body).get("anyway", True)).rewritten
    return [_phrase(one, meant.source(one.span)) for one in maps]


def _phrase(one: WordMap, typed: tuple[int, int] | None) -> dict[str, Any]:
    start, end = typed or (None, None)
    encoded = base64.b64encode(_bytes(one.map).tobytes()).decode()
    size = list(one.map.shape)
    return {"word": one.word, "start": start, "end": end, "size": size, "map": encoded}


def _bytes(shares: Tensor) -> Pixels:
    levels: Pixels = (shares.clamp(0, 1) * 255).round().byte().numpy()
    return levels
