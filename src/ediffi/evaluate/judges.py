"""Judges: which concept, which style, which caption? Heads on frozen features, fitted on real
pictures only, and never used in training, ranking or tuning.

Every accuracy beside them is on real pictures that they were not fitted on.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import safe_open
from torch import Tensor

from ediffi.core.errors import UserError
from ediffi.core.files import make_folder, write_atomically
from ediffi.encoders import DEFAULT_TEXT, TextEncoder
from ediffi.evaluate.extractor import EfficientNetLite0, Extractor
from ediffi.evaluate.heads import LinearHead, unseen_drawings
from ediffi.evaluate.matcher import RANDOM_CAPTIONS, Matcher
from ediffi.evaluate.pictures import Report
from ediffi.evaluate.real import Labelled, cells_of, enlarged, labelled, real_picture
from ediffi.evaluate.small_judge import SmallJudge, SmallNet, train_small_net
from ediffi.pictogram.composer import Composer, SceneConfig
from ediffi.pictogram.grid import MONOCHROME, Grid
from ediffi.pictogram.render import Renderer
from ediffi.pictogram.sources import cache_root

VERSION = 1  # of the fitting below: another one makes other judges
FIT_SIZES = (64, 224)  # every drawing once at each
NUM_SCENES, NUM_TEST_SCENES = 2_000, 400
CONFUSED = 0.75  # a concept is left out if fewer of its real pictures are named right
EXTRACTORS = ("efficientnet-lite0", "small-judge-64")


@dataclass(frozen=True)
class Judges:
    """Fitted judges.

    left_out: concept -> the concept it is mostly taken for, on real pictures; accuracy: of each
    judge on real pictures; hash: of all that they were fitted from.
    """

    extractor: Extractor
    concept: LinearHead
    style: LinearHead
    matcher: Matcher
    left_out: dict[str, str]
    accuracy: dict[str, Any]
    hash: str

    def judged(self, hexcode: str) -> bool:
        """Whether this concept's pictures can be judged."""
        return hexcode in self.concept.labels and hexcode not in self.left_out


def text_features(captions: Sequence[str]) -> Tensor:
    """Pooled MiniLM vectors of captions: (N, 384)."""
    encoder = TextEncoder.load(DEFAULT_TEXT)
    unique = sorted(set(captions), key=lambda text: (len(text), text))
    found: dict[str, Tensor] = {}
    for start in range(0, len(unique), 64):
        block = unique[start : start + 64]
        found |= dict(zip(block, encoder.encode(block).pooled, strict=True))
    return torch.stack([found[caption] for caption in captions])


def open_judges(
    grid: Grid,
    concepts: Sequence[str],
    styles: Sequence[str],
    *,
    extractor: str = EXTRACTORS[0],
    cache_dir: Path | None = None,
    report: Report = lambda what, more, total: None,
) -> Judges:
    """The judges for these concepts and a model of these styles, fitted the first time.

    They know every colour style of the grid, held-out cells too. Kept in cache_dir/judges.
    """
    if len(concepts) < 2:
        raise UserError(f"judges need at least two concepts of the grid, got {len(concepts)}")
    folder = (cache_dir or cache_root()) / "judges"
    known = tuple(s for s in grid.styles if s not in MONOCHROME or s in styles)
    facts = {
        "version": VERSION,
        "data": grid.fingerprint,
        "concepts": sorted(concepts),
        "styles": sorted(styles),
        "scenes": NUM_SCENES,
        "text": DEFAULT_TEXT.sha256,
    }
    eyes = _extractor(extractor, grid, facts, known, folder, report)
    key = _key({**facts, "extractor": eyes.hash})
    path = folder / f"{key[:24]}.safetensors"
    if not path.exists():
        _fit(path, key, eyes, grid, sorted(concepts), known, tuple(styles), report)
    return _read(path, eyes, key)


def _extractor(
    name: str,
    grid: Grid,
    facts: dict[str, Any],
    styles: Sequence[str],
    folder: Path,
    report: Report,
) -> Extractor:
    if name == EXTRACTORS[0]:
        return EfficientNetLite0(channels_last=True)
    if name != EXTRACTORS[1]:
        raise UserError(f"no extractor {name!r}: choose from {', '.join(EXTRACTORS)}")
    path = folder / f"small-{_key(facts)[:24]}.safetensors"
    net = SmallNet()
    if not path.exists():
        cells = cells_of(grid, facts["concepts"], styles)
        trained = train_small_net(
            Renderer(grid), cells, lambda more, total: report("small judge", more, total)
        )
        make_folder(folder)
        write_atomically(path, safetensors.torch.save(trained.state_dict()))
    net.load_state_dict(safetensors.torch.load_file(path))
    return SmallJudge(net)


def _fit(
    path: Path,
    key: str,
    eyes: Extractor,
    grid: Grid,
    concepts: Sequence[str],
    known: tuple[str, ...],
    styles: tuple[str, ...],
    report: Report,
) -> None:
    renderer = Renderer(grid)
    cells = cells_of(grid, concepts, known)
    rows = [real_picture(cell, size=s, seed=f"fit-{s}") for s in FIT_SIZES for cell in cells]
    total = len(rows) + len(cells) + NUM_SCENES + NUM_TEST_SCENES
    tell = lambda more: report("fitting judges", more, total)  # noqa: E731
    fit = labelled(renderer, rows, eyes, tell)
    test_rows = [real_picture(cell, size=64, seed="test") for cell in cells]
    test = labelled(renderer, test_rows, eyes, tell)
    heads = {
        "concept": LinearHead.fit(fit.features, fit.hexcodes),
        "style": LinearHead.fit(fit.features, fit.styles),
    }
    scenes = SceneConfig(seed=1, concepts=tuple(concepts), styles=known, split="all")
    matcher = Matcher.fit(*_captioned(Composer(grid, scenes), NUM_SCENES, eyes, tell)[:2])
    own = scenes.model_copy(update={"seed": 2, "styles": styles})
    pictures, texts, captions = _captioned(Composer(grid, own), NUM_TEST_SCENES, eyes, tell)
    found = matcher.first(pictures, texts, captions)
    report_ = {
        "concept": _concept_accuracy(heads["concept"], fit, test, styles),
        "style": _style_accuracy(heads["style"], fit, test),
        "match": {
            "own_caption_first": float(found.float().mean()),
            "chance": 1 / RANDOM_CAPTIONS,
            "pictures": len(found),
        },
    }
    left_out = _confused(heads["concept"], test)
    tensors = {
        f"{name}.{part}": value.contiguous()
        for name, head in heads.items()
        for part, value in (("weight", head.weight), ("bias", head.bias))
    }
    tensors |= {"match.image": matcher.image, "match.text": matcher.text}
    tensors |= {"match.centre0": matcher.centres[0], "match.centre1": matcher.centres[1]}
    words = {
        "accuracy": report_,
        "left_out": left_out,
        "labels": {name: head.labels for name, head in heads.items()},
    }
    make_folder(path.parent)
    write_atomically(
        path, safetensors.torch.save(tensors, metadata={"key": key, "words": json.dumps(words)})
    )


def _read(path: Path, eyes: Extractor, key: str) -> Judges:
    with safe_open(path, "pt") as file:
        words = json.loads(file.metadata()["words"])
        t = {name: file.get_tensor(name) for name in file.keys()}
    heads = {
        name: LinearHead(t[f"{name}.weight"], t[f"{name}.bias"], words["labels"][name])
        for name in ("concept", "style")
    }
    matcher = Matcher(t["match.image"], t["match.text"], (t["match.centre0"], t["match.centre1"]))
    return Judges(
        eyes, heads["concept"], heads["style"], matcher, words["left_out"], words["accuracy"], key
    )


def _captioned(
    composer: Composer, num: int, eyes: Extractor, tell: Callable[[int], None]
) -> tuple[Tensor, Tensor, list[str]]:
    """Features of `num` scenes at 64 px, of their captions, and the captions."""
    features, captions = [], []
    for start in range(0, num, eyes.batch):
        scenes = [composer.scene(i) for i in range(start, min(num, start + eyes.batch))]
        features.append(eyes(enlarged([composer.render(s, 64) for s in scenes], eyes.side)))
        captions += [scene.caption for scene in scenes]
        tell(len(scenes))
    return torch.cat(features), text_features(captions), captions


def _concept_accuracy(
    head: LinearHead, fit: Labelled, test: Labelled, styles: Sequence[str]
) -> dict[str, Any]:
    """On other renders of the known drawings, and on drawings that were left out of the fit."""
    own = test.where(styles)
    unseen = unseen_drawings(fit.features, fit.hexcodes, fit.folds)
    return {
        "known_drawings": _mean(head.hits(test.features, test.hexcodes)),
        "known_drawings_top5": _mean(head.hits(test.features, test.hexcodes, 5)),
        "known_drawings_in_models_styles": _mean(head.hits(own.features, own.hexcodes)),
        "unseen_drawings": _mean([hit for _, hit in unseen]),
        "chance": 1 / len(head.labels),
        "pictures": len(test.hexcodes),
    }


def _style_accuracy(head: LinearHead, fit: Labelled, test: Labelled) -> dict[str, Any]:
    unseen = unseen_drawings(fit.features, fit.styles, fit.folds)
    return {
        "known_drawings": _mean(head.hits(test.features, test.styles)),
        "unseen_drawings": _mean([hit for _, hit in unseen]),
        "chance": 1 / len(head.labels),
        "pictures": len(test.styles),
    }


def _confused(head: LinearHead, test: Labelled) -> dict[str, str]:
    """Concepts that the judge names right too seldom, and what it mostly says instead."""
    answers: dict[str, Counter[str]] = defaultdict(Counter)
    for own, (best,) in zip(test.hexcodes, head.top_k(test.features, 1), strict=True):
        answers[own][best] += 1
    wrong = {
        own: sorted(said.items(), key=lambda kv: (-kv[1], kv[0]))
        for own, said in answers.items()
        if said[own] < CONFUSED * said.total()
    }
    return {own: next(name for name, _ in said if name != own) for own, said in wrong.items()}


def _mean(hits: Sequence[bool]) -> float | None:
    return sum(hits) / len(hits) if hits else None


def _key(facts: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
