"""Noise levels, preconditioning, samplers and guidance: the mathematics, without networks."""

from ediffi.diffusion.guidance import Guided, Referenced, Thresholded, stack_inputs
from ediffi.diffusion.noise import gaussian, stable_hash
from ediffi.diffusion.precondition import (
    EDM,
    ResidualEDM,
    edm_loss,
    edm_weight,
    enlarge,
    noised,
)
from ediffi.diffusion.samplers import (
    SAMPLERS,
    Sampler,
    dpmpp_2m,
    drive,
    heun,
    initial,
    num_evaluations,
)
from ediffi.diffusion.sigmas import NoiseDistribution, karras_schedule, stratified_uniforms

__all__ = [
    "EDM",
    "SAMPLERS",
    "Guided",
    "NoiseDistribution",
    "Referenced",
    "ResidualEDM",
    "Sampler",
    "Thresholded",
    "dpmpp_2m",
    "drive",
    "edm_loss",
    "edm_weight",
    "enlarge",
    "gaussian",
    "heun",
    "initial",
    "karras_schedule",
    "noised",
    "num_evaluations",
    "stable_hash",
    "stack_inputs",
    "stratified_uniforms",
]
