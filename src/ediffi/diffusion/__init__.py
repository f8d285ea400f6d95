"""Noise levels, preconditioning, samplers and guidance: the mathematics, without networks."""

from ediffi.diffusion.around import Around, Predicted
from ediffi.diffusion.guidance import Guided, Referenced, Thresholded
from ediffi.diffusion.noise import gaussian, stable_hash
from ediffi.diffusion.precondition import EDM, edm_loss, edm_weight, noised
from ediffi.diffusion.samplers import (
    SAMPLERS,
    Sampler,
    dpmpp_2m,
    drive,
    heun,
    num_evaluations,
    result_of,
)
from ediffi.diffusion.sigmas import NoiseDistribution, karras_schedule, stratified_uniforms

__all__ = [
    "EDM",
    "SAMPLERS",
    "Around",
    "Guided",
    "NoiseDistribution",
    "Predicted",
    "Referenced",
    "Sampler",
    "Thresholded",
    "dpmpp_2m",
    "drive",
    "edm_loss",
    "edm_weight",
    "gaussian",
    "heun",
    "karras_schedule",
    "noised",
    "num_evaluations",
    "result_of",
    "stable_hash",
    "stratified_uniforms",
]
