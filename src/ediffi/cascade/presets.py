"""How a stage is sampled when nobody has tuned it: what `ediffi train` writes beside weights."""

from __future__ import annotations

from ediffi.cascade.config import Sampling

# The base stops at sigma 0.03, below which only grain is left. Upscalers start from the enlarged
# picture under so much noise that edges are decided anew: from little noise (0.1) they come out as
# wide as the enlarged ones. They need no guidance.
SAMPLING = {
    "base": Sampling(
        num_steps=24,
        sigma_min=0.03,
        sigma_max=80.0,
        guidance_scale=3.0,
        threshold_percentile=1.0,  # with a cap of 1: plain clipping to [-1, 1]
    ),
    "sr256": Sampling(num_steps=14, sigma_min=0.02, sigma_max=4.0),
    "sr1024": Sampling(num_steps=7, sigma_min=0.02, sigma_max=4.0),
}
