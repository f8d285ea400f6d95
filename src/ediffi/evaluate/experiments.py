"""Experiments: eDiff-I's claims as commands that end in a table, plots and a paragraph.

`encoders` (Balaji et al. 2022, section 5.2, figure 8): T5 alone, CLIP text alone, both; trade-off
curves over guidance, on short and on long captions.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor

from ediffi.core.errors import UserError
from ediffi.core.files import make_folder, write_atomically
from ediffi.evaluate import scores
from ediffi.evaluate.evaluation import protocol, write_record
from ediffi.evaluate.gallery import Gallery, Order, kept_features
from ediffi.evaluate.judges import text_features
from ediffi.evaluate.pictograms import PROMPT_SEED, REFERENCE_SEED
from ediffi.evaluate.plots import table, trade_off
from ediffi.evaluate.real import enlarged
from ediffi.evaluate.scores import Asked
from ediffi.pictogram.composer import Composer
from ediffi.pictogram.scene import Scene

if TYPE_CHECKING:
    from ediffi.evaluate.evaluation import Context

ARMS = {"t5": ("t5",), "clip_text": ("clip_text",), "both": ("t5", "clip_text")}
MOST_SCENES = 200  # composed for each one that is kept


class EncodersConfig(BaseModel):
    """short_words, long_words: fewest and most words of a caption; guidance: scales of the base."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str = "pictogram"
    num_images: int = Field(default=500, ge=8)
    guidance: tuple[float, ...] = (1, 2, 3, 5, 8)
    short_words: tuple[int, int] = (1, 8)
    long_words: tuple[int, int] = (14, 60)
    extractor: str = "efficientnet-lite0"

    @classmethod
    def read(cls, path: Path | None) -> EncodersConfig:
        """From a TOML file, or the defaults."""
        try:
            return cls.model_validate(tomllib.loads(path.read_text()) if path else {})
        except OSError as error:
            raise UserError(f"cannot read {path}: {error.strerror}") from error
        except (tomllib.TOMLDecodeError, ValidationError) as error:
            raise UserError(
                f"{path} is no configuration of `experiment encoders`: {error}"
            ) from None

    @property
    def lengths(self) -> dict[str, tuple[int, int]]:
        """The two kinds of captions."""
        return {"short": self.short_words, "long": self.long_words}


def encoders(context: Context, config: EncodersConfig) -> dict[str, Any]:
    """Run the arms that the model's roles allow; write `encoders.json`, plots and `encoders.md`."""
    make_folder(context.folder)
    roles = context.cascade.roles
    arms = {name: use for name, use in ARMS.items() if set(use) <= set(roles)}
    if not arms:
        raise UserError(f"the model reads neither t5 nor clip_text, only {', '.join(roles)}")
    curves = {kind: _curves(context, config, kind, arms) for kind in config.lengths}
    facts = protocol(context)
    record = {
        "experiment": "encoders",
        "config": config.model_dump(mode="json"),
        "protocol": facts,
        "roles": {
            role: getattr(encoder, "name", type(encoder).__name__)
            for role, encoder in context.cascade.encoders.items()
        },
        "impossible": [name for name in ARMS if name not in arms],
        "curves": curves,
    }
    write_record(context.folder / "encoders.json", record)
    names = facts["names"]
    for kind, lines in curves.items():
        trade_off(lines, "kid", names, context.folder / f"encoders-{kind}.svg")
    write_atomically(context.folder / "encoders.md", report(record).encode())
    return record


def _curves(
    context: Context, config: EncodersConfig, kind: str, arms: dict[str, tuple[str, ...]]
) -> dict[str, list[dict[str, Any]]]:
    """{arm: [point of each guidance scale]} for captions of one length."""
    low, high = config.lengths[kind]
    scenes = _scenes(context, low, high, config.num_images, PROMPT_SEED)
    asked = Asked(scenes, text_features([scene.caption for scene in scenes]))
    others = _scenes(context, low, high, config.num_images, REFERENCE_SEED)
    reference = _real(context, others, kind)
    curves: dict[str, list[dict[str, Any]]] = {}
    for arm, use in arms.items():
        curves[arm] = []
        for scale in config.guidance:
            seeds = tuple(range(len(scenes)))
            order = Order(tuple(asked.captions), seeds, context.stage, scale, use)
            gallery = Gallery(context.folder / "pictures", order, context.cascade)
            what = f"{kind} captions, {arm}, guidance {scale:g}"
            gallery.draw(
                context.open_cascade,
                processes=context.processes,
                report=context.tell(what, len(gallery)),
            )
            fake = context.features(f"features: {what}", gallery)
            curves[arm].append(
                {
                    "guidance": scale,
                    "kid": scores.kid_scores(fake, reference),
                    "clip": scores.match_scores(context.judges, fake, asked),
                }
            )
    return curves


def _composer(context: Context, seed: int) -> Composer:
    return Composer(context.grid, context.data.scenes.model_copy(update={"seed": seed}))


def _scenes(context: Context, low: int, high: int, num: int, seed: int) -> list[Scene]:
    """The first `num` scenes whose captions have so many words."""
    composer = _composer(context, seed)
    kept: list[Scene] = []
    for number in count():
        if len(kept) == num:
            return kept
        if number >= MOST_SCENES * num:
            raise UserError(
                f"captions of {low} to {high} words are too rare: {len(kept)} in {number:,} scenes"
            )
        scene = composer.scene(number)
        if low <= len(scene.caption.split()) <= high:
            kept.append(scene)
    raise AssertionError("count() never ends")


def _real(context: Context, scenes: list[Scene], kind: str) -> Tensor:
    eyes, composer = context.judges.extractor, _composer(context, REFERENCE_SEED)
    facts = [context.data.facts(), [scene.index for scene in scenes], context.stage, eyes.hash]
    digest = hashlib.sha256(json.dumps(facts).encode()).hexdigest()
    return kept_features(
        context.data.features_dir / f"{digest[:24]}.safetensors",
        eyes,
        len(scenes),
        lambda rows: torch.cat(
            [enlarged([composer.render(scenes[n], context.stage)], eyes.side) for n in rows]
        ),
        context.tell(f"real pictures ({kind} captions)", len(scenes)),
    )


def report(record: dict[str, Any]) -> str:
    """The experiment as Markdown: what fills the roles, what was found, figures, plots."""
    fills = ", ".join(f"`{role}` is filled by {name}" for role, name in record["roles"].items())
    names = record["protocol"]["names"]
    heads = ["captions", "encoders", "guidance", names["clip"], f"{names['kid']} x 1000 (95 %)"]
    rows = [heads]
    for kind, lines in record["curves"].items():
        for arm, curve in lines.items():
            for point in curve:
                kid = point["kid"]
                text = f"{kid['value']:.2f} ({kid['low']:.2f} to {kid['high']:.2f})"
                cosine = f"{point['clip']['cosine']:.3f}"
                rows.append([kind, arm, f"{point['guidance']:g}", cosine, text])
    plots = "\n".join(
        f"![{kind} captions: distance against text-picture score](encoders-{kind}.svg)\n"
        for kind in record["curves"]
    )
    found = "\n\n".join(_found(kind, lines) for kind, lines in record["curves"].items())
    return (
        f"# Experiment: text encoders\n\nIn this model {fills}. {_possible(record)}\n\n{found}\n\n"
        f"{table(rows)}\n\n{plots}\nProtocol and all figures: `encoders.json`.\n"
    )


def _possible(record: dict[str, Any]) -> str:
    missing = record["impossible"]
    if not missing:
        return "All three arms ran: T5 alone, CLIP text alone, both."
    ran = ", ".join(next(iter(record["curves"].values())))
    return (
        f"**The comparison is not possible**: the model has no encoder for {' and '.join(missing)}."
        f" Only {ran} ran, and nothing here says which encoder is better."
    )


def _found(kind: str, lines: dict[str, list[dict[str, Any]]]) -> str:
    """One paragraph: the best point of each arm, and whether the arms can be told apart."""
    best = {arm: min(curve, key=lambda p: p["kid"]["value"]) for arm, curve in lines.items()}
    said = "; ".join(
        f"{arm} at guidance {p['guidance']:g} with {p['kid']['value']:.2f} and "
        f"cosine {max(q['clip']['cosine'] for q in lines[arm]):.3f} at most"
        for arm, p in best.items()
    )
    text = f"On {kind} captions the lowest kernel distances (x 1000) and the best fits are: {said}."
    if len(best) < 2:
        return text
    first, second = sorted(best, key=lambda arm: best[arm]["kid"]["value"])[:2]
    apart = best[first]["kid"]["high"] < best[second]["kid"]["low"]
    closer = f"{first} is closer to real pictures than {second}"
    fits = {arm: max(curve, key=lambda p: p["clip"]["cosine"]) for arm, curve in lines.items()}
    leader, next_ = sorted(fits, key=lambda arm: -fits[arm]["clip"]["cosine"])[:2]
    a, b = fits[leader]["clip"], fits[next_]["clip"]
    error = 1.96 * (a["cosine_standard_error"] ** 2 + b["cosine_standard_error"] ** 2) ** 0.5
    better = a["cosine"] - b["cosine"] > error
    return (
        f"{text} {closer + '.' if apart else f'{first} and {second} cannot be told apart by it.'} "
        + (
            f"{leader} fits captions better than {next_}."
            if better
            else f"{leader} and {next_} cannot be told apart by how they fit captions."
        )
    )
