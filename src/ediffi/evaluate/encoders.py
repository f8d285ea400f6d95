"""The experiment `encoders` (Balaji et al. 2022, section 5.2, figure 8): T5 alone, CLIP text alone,
both; trade-off curves over guidance, on short and on long captions."""

from __future__ import annotations

import math
import tomllib
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from ediffi.core.errors import UserError
from ediffi.core.files import write_atomically
from ediffi.data.labelled import Subset
from ediffi.evaluate.evaluation import Checked, Evaluation
from ediffi.evaluate.features import EFFICIENTNET
from ediffi.evaluate.gallery import Order
from ediffi.evaluate.metrics import Asked, Seen, kernel_distance, match
from ediffi.evaluate.plots import trade_off
from ediffi.evaluate.record import protocol, write_record
from ediffi.evaluate.report import interval, table

ARMS = {"t5": ("t5",), "clip_text": ("clip_text",), "both": ("t5", "clip_text")}
MOST = 200  # pictures whose captions are counted, for each one that is wanted


class EncodersConfig(Checked):
    """short_words, long_words: fewest and most words of a caption; guidance: scales of the base."""

    model: str = "pictogram"
    num_images: int = Field(default=500, ge=8)
    guidance: tuple[float, ...] = (1, 2, 3, 5, 8)
    short_words: tuple[int, int] = (1, 8)
    long_words: tuple[int, int] = (14, 60)
    extractor: str = EFFICIENTNET

    @classmethod
    def read(cls, path: Path | None) -> EncodersConfig:
        """From a TOML file, or the defaults."""
        try:
            return cls.model_validate(tomllib.loads(path.read_text()) if path else {})
        except OSError as error:
            raise UserError(f"cannot read {path}: {error.strerror}") from error
        except (tomllib.TOMLDecodeError, ValidationError) as error:
            what = "configuration of `experiment encoders`"
            raise UserError(f"{path} is no {what}: {error}") from None

    @property
    def lengths(self) -> dict[str, tuple[int, int]]:
        """The two kinds of captions."""
        return {"short": self.short_words, "long": self.long_words}


def encoders(evaluation: Evaluation, config: EncodersConfig) -> dict[str, Any]:
    """Run the arms that the model's roles allow; write `encoders.json`, plots and `encoders.md`."""
    cascade, folder = evaluation.subject.cascade, evaluation.subject.folder
    arms = {name: use for name, use in ARMS.items() if set(use) <= set(cascade.roles)}
    if not arms:
        raise UserError(f"the model reads neither t5 nor clip_text, only {cascade.roles}")
    curves = {kind: _curves(evaluation, config, kind, arms) for kind in config.lengths}
    facts = protocol(evaluation)
    record = {
        "experiment": "encoders",
        "config": config.model_dump(mode="json"),
        "protocol": facts,
        "roles": {
            role: getattr(encoder, "name", type(encoder).__name__)
            for role, encoder in cascade.encoders.items()
        },
        "impossible": [name for name in ARMS if name not in arms],
        "curves": curves,
    }
    write_record(folder / "encoders.json", record)
    for kind, lines in curves.items():
        trade_off(lines, "kid", facts["names"], folder / f"encoders-{kind}.svg")
    write_atomically(folder / "encoders.md", page(record).encode())
    return record


def _curves(
    evaluation: Evaluation, config: EncodersConfig, kind: str, arms: dict[str, tuple[str, ...]]
) -> dict[str, list[dict[str, Any]]]:
    """{arm: [point of each guidance scale]} for captions of one length."""
    subject, num, words = evaluation.subject, config.num_images, config.lengths[kind]
    asked = Asked.of(worded(evaluation.data.prompts, num, *words))
    reference = evaluation.real(worded(evaluation.data.reference, num, *words), num)
    captions, seeds = tuple(asked.captions), tuple(range(num))
    curves: dict[str, list[dict[str, Any]]] = {}
    for arm, use in arms.items():
        curves[arm] = []
        for scale in config.guidance:
            what = f"{kind} captions, {arm}, guidance {scale:g}"
            gallery = subject.draw(what, Order(captions, seeds, evaluation.stage, scale, use))
            features = subject.features(gallery, evaluation.extractor, what)
            seen = Seen(features, asked, reference, evaluation.judges)
            curves[arm].append(
                {"guidance": scale, "kid": kernel_distance(seen), "clip": match(seen)}
            )
    return curves


def worded(pictures: Subset, num: int, low: int, high: int) -> Subset:
    """The first `num` whose captions have so many words.

    Raises:
        UserError: they are too rare.
    """
    source, rows = pictures.source, pictures.rows[: MOST * num]
    fitting = (row for row in rows if low <= len(source.caption(row).split()) <= high)
    kept = list(islice(fitting, num))
    if len(kept) < num:
        raise UserError(
            f"captions of {low} to {high} words are too rare: {len(kept)} of {len(rows):,} pictures"
        )
    return Subset(source, kept)


def page(record: dict[str, Any]) -> str:
    """The experiment as Markdown: what fills the roles, what was found, figures, plots."""
    fills = ", ".join(f"`{role}` is filled by {name}" for role, name in record["roles"].items())
    names, curves, missing = record["protocol"]["names"], record["curves"], record["impossible"]
    rows = [["captions", "encoders", "guidance", names["clip"], f"{names['kid']} x 1000 (95 %)"]]
    rows += [
        [kind, arm, f"{p['guidance']:g}", f"{p['clip']['cosine']:.3f}", interval(p["kid"])]
        for kind, lines in curves.items()
        for arm, curve in lines.items()
        for p in curve
    ]
    possible = "All three arms ran: T5 alone, CLIP text alone, both."
    if missing:
        possible = (
            "**The comparison is not possible**: the model has no encoder for "
            f"{' and '.join(missing)}. Only {', '.join(curves['short'])} ran, and nothing here "
            "says which encoder is better."
        )
    found = "\n\n".join(_found(kind, lines) for kind, lines in curves.items())
    plots = "\n".join(
        f"![{kind} captions: distance against text-picture score](encoders-{kind}.svg)\n"
        for kind in curves
    )
    return (
        f"# Experiment: text encoders\n\nIn this model {fills}. {possible}\n\n{found}\n\n"
        f"{table(rows)}\n\n{plots}\nProtocol and all figures: `encoders.json`.\n"
    )


def _found(kind: str, lines: dict[str, list[dict[str, Any]]]) -> str:
    """One paragraph: the best points of each arm, and whether the arms can be told apart."""
    near = {arm: min(curve, key=lambda p: p["kid"]["value"]) for arm, curve in lines.items()}
    fits = {
        arm: max((p["clip"] for p in curve), key=lambda clip: clip["cosine"])
        for arm, curve in lines.items()
    }
    said = "; ".join(
        f"{arm} at guidance {p['guidance']:g} with {p['kid']['value']:.2f} and "
        f"cosine {fits[arm]['cosine']:.3f} at most"
        for arm, p in near.items()
    )
    text = f"On {kind} captions the lowest kernel distances (x 1000) and the best fits are: {said}."
    if len(near) < 2:
        return text
    first, second = sorted(near, key=lambda arm: near[arm]["kid"]["value"])[:2]
    if near[first]["kid"]["high"] < near[second]["kid"]["low"]:
        text += f" {first} is closer to real pictures than {second}."
    else:
        text += f" {first} and {second} cannot be told apart by it."
    first, second = sorted(fits, key=lambda arm: -fits[arm]["cosine"])[:2]
    a, b = fits[first], fits[second]
    error = 1.96 * math.hypot(a["cosine_standard_error"], b["cosine_standard_error"])
    if a["cosine"] - b["cosine"] > error:
        return f"{text} {first} fits captions better than {second}."
    return f"{text} {first} and {second} cannot be told apart by how they fit captions."
