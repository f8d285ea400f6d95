"""FID and CLIP score as papers give them: captions in COCO's format, their pictures as reference.

Under these names only with the reference Inception's weights and a CLIP model, both from files.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any, Literal

import numpy as np
import safetensors.torch
import torch
import torch.nn.functional as F
from PIL import Image, ImageOps
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor

import ediffi
from ediffi.core.errors import UserError
from ediffi.core.files import file_sha256, make_folder, write_atomically
from ediffi.encoders.clip import ClipImageEncoder, ClipTextEncoder
from ediffi.encoders.spec import EncoderSpec, weights_hash
from ediffi.evaluate.distances import frechet, kid
from ediffi.evaluate.evaluation import write_record
from ediffi.evaluate.gallery import DTYPE, Gallery, Open, Order
from ediffi.evaluate.inception import SIDE, FidInception
from ediffi.evaluate.pictures import Picture, Report
from ediffi.evaluate.scores import exchanged
from ediffi.model import Cascade

BLOCK = 16


class CanonicalSettings(BaseModel):
    """What to measure. captions: a file in COCO's format, {"images": [{"id", "file_name"}],
    "annotations": [{"image_id", "caption"}]}; images: the folder of its pictures."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    captions: Path
    images: Path
    weights: Path | None = None
    clip: Path | None = None
    resize: Literal["legacy-tf", "clean"] = "legacy-tf"
    num_images: int = Field(default=30_000, ge=2)
    guidance: tuple[float, ...] | None = None
    stage: int | None = None

    @classmethod
    def of(cls, **asked: Any) -> CanonicalSettings:
        """Checked; wrong values become a `UserError`."""
        try:
            settings = cls.model_validate(asked)
        except ValidationError as error:
            first = error.errors()[0]
            raise UserError(f"--{first['loc'][0]}: {first['msg']}") from error
        if settings.weights is None and settings.clip is None:
            raise UserError("nothing to measure: give --inception-weights, --clip or both")
        return settings


def read_captions(path: Path, num: int, *, seed: int = 0) -> tuple[list[str], list[str]]:
    """`num` captions, a seeded choice of one caption for each of `num` pictures, and the names of
    all pictures of the file, which are the reference."""
    try:
        data = json.loads(path.read_text("utf-8"))
        names = {row["id"]: str(row["file_name"]) for row in data["images"]}
        pairs = [(row["image_id"], " ".join(row["caption"].split())) for row in data["annotations"]]
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} has no captions in COCO's format: {error!r}") from error
    order = Random(f"captions:{seed}").sample(range(len(pairs)), len(pairs))
    first: dict[Any, str] = {}
    for row in order:
        first.setdefault(pairs[row][0], pairs[row][1])
    if len(first) < num:
        raise UserError(f"{path} has captions of {len(first)} pictures, --num-images is {num}")
    return list(first.values())[:num], sorted(names.values())


def evaluate_captions(
    cascade: Cascade,
    open_cascade: Open,
    settings: CanonicalSettings,
    folder: Path,
    *,
    processes: int,
    report: Report,
) -> dict[str, Any]:
    """Draw the captions at every guidance scale and write `record.json`; returns the record."""
    started, clock = datetime.now(UTC), time.perf_counter()
    make_folder(folder)
    captions, names = read_captions(settings.captions, settings.num_images)
    stage = settings.stage or cascade.config.stages[-1].resolution
    cascade.plan(stop_at=stage)
    net = FidInception(settings.weights, resize=settings.resize) if settings.weights else None
    clip = _Clip(settings.clip) if settings.clip else None
    reference = None
    if net is not None:
        tell = lambda more: report("reference pictures", more, len(names))  # noqa: E731
        reference = _reference(net, settings.images, names, stage, folder, tell)
    default = cascade.config.stages[0].sampling.guidance_scale
    curve = []
    for scale in settings.guidance or (default,):
        order = Order(tuple(captions), tuple(range(len(captions))), stage, scale)
        gallery = Gallery(folder / "pictures", order, cascade)
        what = f"pictures, guidance {scale:g}"
        gallery.draw(
            open_cascade,
            processes=processes,
            report=lambda more, what=what: report(what, more, len(captions)),  # type: ignore[misc]
        )
        point: dict[str, Any] = {"guidance": scale}
        if net is not None and reference is not None:
            path = gallery.folder / f"inception-{net.hash[:12]}-{net.resize}.safetensors"
            fake = _kept(path, net, gallery, lambda more: None)
            interval = kid(fake[:5000], reference[:5000]).scaled(1000)
            point |= {"fid": frechet(fake, reference), "kid_x1000": interval}
        if clip is not None:
            point["clip_score"] = clip.score(gallery, captions)
        curve.append(point)
    record = {
        "protocol": {
            "settings": settings.model_dump(mode="json"),
            "ediffi": ediffi.__version__,
            "torch": torch.__version__,
            "model": cascade.config.name,
            "model_hash": cascade.hash,
            "sampling": [s.sampling.model_dump(mode="json") for s in cascade.config.stages],
            "dtype": str(DTYPE).removeprefix("torch."),
            "captions_sha256": file_sha256(settings.captions),
            "captions": "one for each of the first pictures of a seeded order",
            "reference_pictures": len(names),
            "reference_names_sha256": hashlib.sha256("\n".join(names).encode()).hexdigest(),
            "reference_resize": f"middle square, PIL bicubic to {stage} px",
            "seeds": "a caption's number",
            "inception_sha256": net and net.hash,
            "inception_resize": net and f"{net.resize} to {SIDE} px",
            "clip_sha256": clip and clip.hash,
        },
        "curve": curve,
        "timestamps": {
            "started": started.isoformat(timespec="seconds"),
            "seconds": round(time.perf_counter() - clock, 1),
        },
    }
    write_record(folder / "record.json", record)
    return record


class _Clip:
    """CLIP score, Hessel et al. 2021 without their factor 2.5: mean cosine of picture and caption,
    times 100, negatives as 0."""

    def __init__(self, folder: Path) -> None:
        self.text = ClipTextEncoder.load(
            EncoderSpec(kind="clip_text", source=str(folder), max_tokens=77)
        )
        self.image = ClipImageEncoder.load(EncoderSpec(kind="clip_image", source=str(folder)))
        self.hash = weights_hash(folder)

    def score(self, gallery: Gallery, captions: Sequence[str]) -> dict[str, float]:
        images, texts = [], []
        for rows in _blocks(len(gallery)):
            pictures = [Image.fromarray(gallery.picture(row)) for row in rows]
            images.append(self.image.encode(pictures).pooled)
            texts.append(self.text.encode([captions[row] for row in rows]).pooled)
        a, b = F.normalize(torch.cat(images), dim=1), F.normalize(torch.cat(texts), dim=1)
        null = (a * b[exchanged(range(len(b)))]).sum(1)
        cosine = (a * b).sum(1)
        return {"mean": _percent(cosine), "null": _percent(null)}


def _percent(cosines: Tensor) -> float:
    return float(cosines.clamp(min=0).mean() * 100)


def _reference(
    net: FidInception,
    images: Path,
    names: Sequence[str],
    side: int,
    folder: Path,
    tell: Callable[[int], None],
) -> Tensor:
    facts = json.dumps([net.hash, net.resize, str(images.resolve()), list(names), side])
    digest = hashlib.sha256(facts.encode()).hexdigest()
    pictures = (_square(images / name, side) for name in names)
    return _kept(folder / f"reference-{digest[:12]}.safetensors", net, pictures, tell)


def _square(path: Path, side: int) -> Picture:
    try:
        with Image.open(path) as image:
            size = (side, side)
            how = Image.Resampling.BICUBIC
            return np.asarray(ImageOps.fit(image.convert("RGB"), size, how))
    except OSError as error:
        raise UserError(f"cannot read the reference picture {path}: {error}") from error


def _kept(
    path: Path,
    net: FidInception,
    pictures: Iterator[Picture] | Gallery,
    tell: Callable[[int], None],
) -> Tensor:
    """Features of pictures, from `path` if they are there."""
    if path.exists():
        return safetensors.torch.load_file(path)["features"]
    parts: list[Tensor] = []
    block: list[Picture] = []
    for picture in pictures:
        block.append(picture)
        if len(block) == BLOCK:
            parts.append(net(block))
            tell(len(block))
            block = []
    if block:
        parts.append(net(block))
        tell(len(block))
    features = torch.cat(parts)
    write_atomically(path, safetensors.torch.save({"features": features}))
    return features


def _blocks(num: int) -> Iterator[range]:
    return (range(start, min(num, start + BLOCK)) for start in range(0, num, BLOCK))
