"""Noise levels, preconditioning, samplers and guidance: the mathematics, without networks."""

from ediffi.diffusion.around import Around, Predicted
from ediffi.diffusion.experts import Experts, Interval, OneResident, Router, check_tiling
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
from ediffi.diffusion.tree import Node, Tree, branches, share_of_steps

__all__ = [
    "EDM",
    "SAMPLERS",
    "Around",
    "Experts",
    "Guided",
    "Interval",
    "Node",
    "NoiseDistribution",
    "OneResident",
    "Predicted",
    "Referenced",
    "Router",
    "Sampler",
    "Thresholded",
    "Tree",
    "branches",
    "check_tiling",
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
    "share_of_steps",
    "stable_hash",
    "stratified_uniforms",
]
