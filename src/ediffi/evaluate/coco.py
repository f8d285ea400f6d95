"""FID and CLIP score as papers give them: captions in COCO's format, their pictures as reference.

Under these names only with the reference Inception's weights and a CLIP model, both from files.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageOps
from pydantic import Field, model_validator
from torch import Tensor

from ediffi.core.errors import UserError
from ediffi.core.files import file_sha256
from ediffi.core.types import Pixels
from ediffi.data.labelled import Labels, Subset
from ediffi.encoders.clip import ClipTextEncoder
from ediffi.encoders.spec import EncoderSpec
from ediffi.evaluate.distances import cmmd, frechet, kid
from ediffi.evaluate.evaluation import Checked
from ediffi.evaluate.features import ClipFeatures, Extractor, real_features
from ediffi.evaluate.gallery import Gallery, Subject
from ediffi.evaluate.inception import FidInception
from ediffi.evaluate.record import Clock, write_record
from ediffi.evaluate.shares import exchanged
from ediffi.model import stages_to_run

BLOCK = 16  # captions encoded at a time
MOST = 5_000  # pictures for distances whose matrices are as wide


class CocoSettings(Checked):
    """What to measure. captions: a file in COCO's format, {"images": [{"id", "file_name"}],
    "annotations": [{"image_id", "caption"}]}; images: the folder of its pictures; inception: FID's
    weights; clip: the folder of a CLIP; resize: see `FidInception`."""

    captions: Path
    images: Path
    inception: Path | None = None
    clip: Path | None = None
    resize: Literal["legacy-tf", "clean"] = "legacy-tf"
    num_images: int = Field(default=30_000, ge=2)
    guidance: tuple[float, ...] | None = None
    stage: int | None = None

    @model_validator(mode="after")
    def _measures(self) -> CocoSettings:
        if self.inception is None and self.clip is None:
            raise UserError("nothing to measure: give --inception, --clip or both")
        return self


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


class ReferenceFiles:
    """Picture files, their middle squares: `Labelled`, each by its name."""

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self.folder, self.names = folder, names
        self.facts = [str(folder.resolve()), *names]

    def caption(self, number: int) -> str:
        return self.names[number]

    def labels(self, number: int) -> Labels:
        return Labels(group=self.names[number])

    def picture(self, number: int, side: int) -> Pixels:
        path = self.folder / self.names[number]
        try:
            with Image.open(path) as image:
                rgb = image.convert("RGB")
                return np.asarray(ImageOps.fit(rgb, (side, side), Image.Resampling.BICUBIC))
        except OSError as error:
            raise UserError(f"cannot read the reference picture {path}: {error}") from error


class CocoProtocol:
    """Settings and a model."""

    def __init__(self, settings: CocoSettings, subject: Subject) -> None:
        self.settings, self.subject = settings, subject
        self.stage = settings.stage or subject.cascade.config.stages[-1].resolution
        stages_to_run(subject.cascade.config, self.stage)  # a wrong --stage is told first
        self.captions, self.names = read_captions(settings.captions, settings.num_images)
        files = ReferenceFiles(settings.images, self.names)
        self.reference = Subset(files, range(len(self.names)))

    def run(self) -> dict[str, Any]:
        """Draw the captions at every guidance scale and write `record.json`; returns the record."""
        clock = Clock()
        shipped = self.subject.cascade.config.stages[0].sampling.guidance_scale
        record = {
            "protocol": self._protocol(),
            "curve": [self._point(scale) for scale in self.settings.guidance or (shipped,)],
            "timestamps": clock.stamps(self.subject.processes),
        }
        write_record(self.subject.folder / "record.json", record)
        return record

    @cached_property
    def inception(self) -> FidInception | None:
        weights = self.settings.inception
        return FidInception(weights, resize=self.settings.resize) if weights else None

    @cached_property
    def clip(self) -> ClipFeatures | None:
        return ClipFeatures(self.settings.clip) if self.settings.clip else None

    @cached_property
    def texts(self) -> Tensor:
        """(N, D), the captions' embeddings of length 1."""
        spec = EncoderSpec(kind="clip_text", source=str(self.settings.clip), max_tokens=77)
        encoder = ClipTextEncoder.load(spec)
        blocks = [self.captions[n : n + BLOCK] for n in range(0, len(self.captions), BLOCK)]
        return F.normalize(torch.cat([encoder.encode(b).pooled for b in blocks]), dim=1)

    def _point(self, guidance: float) -> dict[str, Any]:
        what = f"pictures, guidance {guidance:g}"
        gallery = self.subject.draw_prompts(what, self.captions, self.stage, guidance)
        point: dict[str, Any] = {"guidance": guidance}
        if self.inception:
            fake, real = self._features(gallery, self.inception)
            point["fid"] = frechet(fake, real)
            point["kid_x1000"] = kid(fake[:MOST], real[:MOST]).scaled(1000)
        if self.clip:
            fake, real = self._features(gallery, self.clip)
            point["clip_score"] = clip_score(fake, self.texts)
            point["cmmd"] = cmmd(fake[:MOST], real[:MOST])
        return point

    def _features(self, gallery: Gallery, extractor: Extractor) -> tuple[Tensor, Tensor]:
        """Of drawn pictures and of the reference."""
        tell = self.subject.tell(f"reference pictures, {extractor.name}", len(self.names))
        folder = self.subject.folder / "reference"
        real = real_features(self.reference, extractor, self.stage, folder, tell)
        return self.subject.features(gallery, extractor, extractor.name), real

    def _protocol(self) -> dict[str, Any]:
        return {
            "settings": self.settings.model_dump(mode="json"),
            **self.subject.facts(self.stage),
            "captions_sha256": file_sha256(self.settings.captions),
            "captions": "one for each of the first pictures of a seeded order",
            "reference_pictures": len(self.names),
            "reference_names_sha256": hashlib.sha256("\n".join(self.names).encode()).hexdigest(),
            "reference_resize": f"middle square, PIL bicubic to {self.stage} px",
            "seeds": "a caption's number",
            "inception_sha256": self.inception and self.inception.weights_sha256,
            "inception_resize": self.inception and self.inception.resize,
            "clip_sha256": self.clip and self.clip.hash,
        }


def clip_score(pictures: Tensor, texts: Tensor) -> dict[str, float]:
    """CLIP score, Hessel et al. 2021 without their factor 2.5: mean cosine of pictures (N, D) and
    captions (N, D), times 100, negatives as 0; null: of other captions."""
    unit, others = F.normalize(pictures, dim=1), texts[exchanged(range(len(texts)))]
    pairs = {"mean": texts, "null": others}
    return {k: float((unit * t).sum(1).clamp(min=0).mean() * 100) for k, t in pairs.items()}
