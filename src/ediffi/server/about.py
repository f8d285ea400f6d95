"""A model, told to programs."""

from __future__ import annotations

import math
from typing import Any

from ediffi.diffusion import SAMPLERS
from ediffi.language import grouped
from ediffi.model import Cascade


def described(cascade: Cascade) -> dict[str, Any]:
    """Stages, styles, vocabulary, samplers and defaults; sigma_max None means no upper end."""
    config = cascade.config
    return {
        "model": config.name,
        "hash": cascade.hash,
        "stages": [
            {
                "name": stage.name,
                "resolution": stage.resolution,
                "input_resolution": stage.input_resolution if stage.network.scale > 1 else None,
                "parameters": sum(
                    p.numel() for p in cascade.stage(str(stage.name)).denoiser.parameters()
                ),
                "experts": [
                    {
                        "node": expert.node,
                        "file": expert.file,
                        "sigma_min": expert.sigma_min,
                        "sigma_max": None if math.isinf(expert.sigma_max) else expert.sigma_max,
                    }
                    for expert in stage.experts
                ],
                "defaults": stage.sampling.model_dump(mode="json"),
            }
            for stage in config.stages
        ],
        "roles": list(cascade.roles),
        "samplers": list(SAMPLERS),
        "styles": [
            {"name": name, "phrase": phrases[0], "phrases": list(phrases)}
            for name, phrases in config.looks.items()
        ],
        "vocabulary": grouped(config.claims),
    }
