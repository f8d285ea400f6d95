"""How a stage is sampled when nobody has tuned it: what `ediffi train` writes beside weights."""

from __future__ import annotations

from ediffi.cascade.config import Sampling

# The base stops at sigma 0.03, below which only grain is left. Upscalers start from the enlarged
# picture, so a few evaluations without guidance do; more noise than 0.1 leaves a grain in the first
# weights' pictures, and so does augmentation.
SAMPLING = {
    "base": Sampling(
        num_steps=24,
        sigma_min=0.03,
        sigma_max=80.0,
        guidance_scale=3.0,
        threshold_percentile=1.0,  # with a cap of 1: plain clipping to [-1, 1]
    ),
    "sr256": Sampling(num_steps=5, sigma_min=0.004, sigma_max=0.1),
    "sr1024": Sampling(num_steps=4, sigma_min=0.004, sigma_max=0.1),
}
