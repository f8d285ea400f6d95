"""How a stage is sampled when nobody has tuned it: what `ediffi train` writes beside weights."""

from __future__ import annotations

from ediffi.model.config import Sampling

# The base stops at sigma 0.03, below which only grain is left. Upscalers start from what their
# `Enlarger` is sure of, so that little noise and few steps are enough, and need no guidance.
SAMPLING = {
    "base": Sampling(
        num_steps=12,
        sigma_min=0.03,
        sigma_max=80.0,
        guidance_scale=3.0,
        threshold_percentile=1.0,  # with a cap of 1: plain clipping to [-1, 1]
    ),
    "sr256": Sampling(
        num_steps=6,
        sigma_min=0.005,
        sigma_max=0.3,
        augmentation=0.05,  # what the base leaves rough is not taken for detail
    ),
    "sr1024": Sampling(num_steps=4, sigma_min=0.01, sigma_max=0.3),
}
