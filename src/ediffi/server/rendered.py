"""A job's pictures as calls want them: in another format, or smaller."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from ediffi.diffusion import num_evaluations
from ediffi.output import encode_picture, read_parameters
from ediffi.server.job import Job
from ediffi.server.service import Service
from ediffi.trust.provenance import user_provenance


def rendered(
    path: Path, side: int | None = None, kind: str = "png", quality: int | None = None
) -> bytes:
    """The file of a picture, or another one that says the same of how it was made.

    side: pixels, if it is to be another than the picture's; kind: png, jpeg or webp; quality: 0
    to 100, of jpeg and webp.
    """
    with Image.open(path) as image:
        if kind == "png" and side in (None, image.width):
            return path.read_bytes()
        pixels = image.convert("RGB")
    if side is not None:
        pixels = pixels.resize((side, side), Image.Resampling.LANCZOS)
    return encode_picture(
        np.asarray(pixels),
        kind.upper(),
        read_parameters(path),
        title=f"{path.stem}.{kind}",
        provenance=user_provenance(),
        quality=quality,
    )


def usage(service: Service, job: Job, num_pictures: int) -> dict[str, object]:
    """Tokens that the text encoder reads of the prompt; of output, network evaluations."""
    subject = job.plan.subjects[0]
    text = 0 if subject.text is None else service.words.num_tokens(subject.text)
    images = job.num_references
    drawn = sum(num_evaluations(how.sampler, how.num_steps) for _, how in job.plan.stages)
    drawn *= num_pictures
    return {
        "input_tokens": text + images,
        "input_tokens_details": {"text_tokens": text, "image_tokens": images},
        "output_tokens": drawn,
        "output_tokens_details": {"text_tokens": 0, "image_tokens": drawn},
        "total_tokens": text + images + drawn,
    }
