"""The denoiser of a stage, read from a model folder: one network, or an ensemble of experts."""

from __future__ import annotations

from copy import deepcopy

from torch import Tensor

from ediffi.core.errors import UserError
from ediffi.diffusion import EDM, Around, Experts, OneResident, Router
from ediffi.model.config import StageConfig
from ediffi.model.folder import ModelFolder
from ediffi.networks import build_denoiser, named_as_now


def denoiser_of(config: StageConfig, weights: dict[str, Tensor]) -> EDM | Around:
    """A stage's denoiser with a saved state; float32 in memory whatever it was saved in.

    Raises:
        UserError: the weights are of another network.
    """
    denoiser = build_denoiser(config.network, config.sigma_data)
    try:
        denoiser.load_state_dict(named_as_now(weights, config.network))
    except RuntimeError as error:
        raise UserError(f"the weights of stage {config.name} do not fit it: {error}") from error
    denoiser.eval().requires_grad_(False)
    return denoiser


def read_denoiser(
    folder: ModelFolder, stage: str, *, one_resident: bool = False
) -> EDM | Around | Router:
    """The denoiser of a stage of a model folder.

    one_resident: keep one expert in memory and read the next while it is used.

    Raises:
        UserError: a file is missing or damaged, or does not fit.
    """
    config = folder.config.stage(stage)
    if not config.experts:
        return denoiser_of(config, folder.weights(stage))
    nodes = [expert.node for expert in config.experts]
    if one_resident:
        return OneResident(
            lambda number: denoiser_of(config, folder.weights(stage, nodes[number])),
            config.experts,
        )
    first = denoiser_of(config, folder.weights(stage, nodes[0]))
    shared = folder.shared(stage)
    trunk = {id(p): p for name, p in first.named_parameters() if name in shared}
    denoisers = [first]
    for node in nodes[1:]:
        denoiser = deepcopy(first, dict(trunk))  # parameters in the memo are not copied
        denoiser.load_state_dict(folder.weights(stage, node))
        denoisers.append(denoiser)
    return Experts(denoisers, config.experts)
