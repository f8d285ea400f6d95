"""A job's pictures as calls want them: in another format, or smaller."""

from __future__ import annotations

import numpy as np
from PIL import Image

from ediffi.diffusion import num_evaluations
from ediffi.output import encode_picture, read_parameters
from ediffi.server.job import Job, picture_path
from ediffi.server.openai import GenerateBody, resolution
from ediffi.server.service import Service
from ediffi.trust.provenance import user_provenance


def rendered(
    service: Service, body: GenerateBody, job: Job, picture: int, *, stage: str | None = None
) -> bytes:
    """The file of a picture, or of a lower stage's, as the body asks for it."""
    path = picture_path(service.jobs.store.files(job.id), picture, stage)
    side, drawn = resolution(body.size, service.cascade.config)
    resized = stage is None and side != drawn
    if body.kind == "png" and not resized:
        return path.read_bytes()
    with Image.open(path) as image:
        pixels = image.convert("RGB")
    if resized:
        pixels = pixels.resize((side, side), Image.Resampling.LANCZOS)
    return encode_picture(
        np.asarray(pixels),
        body.kind.upper(),
        read_parameters(path),
        title=f"{picture}.{body.kind}",
        provenance=user_provenance(),
        quality=body.output_compression,
    )


def usage(service: Service, job: Job, num_pictures: int) -> dict[str, object]:
    """Tokens that the text encoder reads of the prompt; of output, network evaluations."""
    subject = job.plan.subjects[0]
    text = 0 if subject.text is None else service.words.num_tokens(subject.text)
    images = 0 if subject.style is None else len(subject.style.pictures)
    drawn = sum(num_evaluations(how.sampler, how.num_steps) for _, how in job.plan.stages)
    drawn *= num_pictures
    return {
        "input_tokens": text + images,
        "input_tokens_details": {"text_tokens": text, "image_tokens": images},
        "output_tokens": drawn,
        "output_tokens_details": {"text_tokens": 0, "image_tokens": drawn},
        "total_tokens": text + images + drawn,
    }
