"""What changes while a run trains: weights, their average, the optimizer, the images seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from ediffi.core.errors import UserError
from ediffi.diffusion import Around
from ediffi.networks import build_denoiser, build_prior
from ediffi.train.config import Recipe, RunConfig
from ediffi.train.objective import AnyBatch, Objective, objective_of
from ediffi.train.parallel import ALONE, Ranks, blocks, fill, local, whole, without_sync

C = TypeVar("C", bound=RunConfig, covariant=True)


class TrainState(Generic[C]):
    """A model in training, on one device or shared out among ranks.

    parameters: of the model, those that learn; average: their exponential average, for sampling and
    shipping, empty where the schedule asks for none. images: how many have been seen.

    >>> state = stage_state(recipe)                      # doctest: +SKIP
    >>> losses = state.step(examples.batch(0))["loss"]   # doctest: +SKIP
    """

    def __init__(
        self, config: C, model: nn.Module, objective: Objective, ranks: Ranks = ALONE
    ) -> None:
        self.config, self.model, self.objective, self.ranks = config, model, objective, ranks
        self.images = 0
        if config.compute.compile:
            for block in blocks(model):
                block.compile()
        self.spread = ranks.spread(model)
        self.parameters = {n: p for n, p in model.named_parameters() if p.requires_grad}
        self.average: dict[str, Tensor] = {}
        if config.schedule.ema_images:
            self.average = {n: p.detach().clone() for n, p in self.parameters.items()}
        how = config.optimiser
        vectors = [p for p in self.parameters.values() if p.ndim < 2]
        matrices = [p for p in self.parameters.values() if p.ndim >= 2]
        rest = how.weight_decay if how.decay_vectors else 0.0
        groups: list[dict[str, Any]] = [{"params": matrices}]
        groups += [{"params": vectors, "weight_decay": rest}]
        self.optimizer = torch.optim.AdamW(
            groups,
            lr=how.learning_rate,
            betas=how.betas,
            weight_decay=how.weight_decay,
            fused=True,
        )

    def step(self, batch: AnyBatch) -> dict[str, Tensor]:
        """One update by this rank's share of a batch; returns what its objective says of it.

        Raises:
            FloatingPointError: the loss or its gradient is not finite; weights are untouched.
        """
        config, device = self.config, self.ranks.device
        for group in self.optimizer.param_groups:
            group["lr"] = config.optimiser.learning_rate * config.schedule.rate_at(self.images)
        pieces, said = batch.to(device).split(config.compute.accumulation), []
        for number, piece in enumerate(pieces, 1):
            with without_sync(self.spread, number == len(pieces)):
                figures = self.measure(piece)
                (figures["loss"].mean() / len(pieces)).backward()
            said.append({name: figure.detach() for name, figure in figures.items()})
        norm = nn.utils.clip_grad_norm_(self.parameters.values(), config.optimiser.clip_norm)
        if not torch.isfinite(whole(norm)):
            self.optimizer.zero_grad()
            raise FloatingPointError(f"the gradient's norm is {float(whole(norm))}")
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.images += config.schedule.batch_size
        self._update_average()
        return {name: torch.cat([s[name].reshape(-1) for s in said]) for name in said[0]}

    def measure(self, batch: AnyBatch) -> dict[str, Tensor]:
        """What the objective says of a batch on this rank's device, in the run's precision."""
        bf16 = self.config.compute.precision == "bf16"
        with torch.autocast(self.ranks.device.type, torch.bfloat16, enabled=bf16):
            return self.objective(self.spread, batch)

    @torch.no_grad()
    def _update_average(self) -> None:
        """Exponential average with a half-life that grows with the run, up to ema_images (EDM)."""
        schedule = self.config.schedule
        if schedule.ema_images:
            half_life = min(schedule.ema_images, 0.05 * self.images)
            decay = 0.5 ** (schedule.batch_size / half_life)
            own = [local(p) for p in self.parameters.values()]
            torch._foreach_lerp_([local(t) for t in self.average.values()], own, 1 - decay)

    def averaged(self) -> dict[str, Tensor]:
        """The model's state dict with the averaged weights, on the CPU; every rank must ask."""
        return {n: whole(self.average.get(n, t)) for n, t in self.model.state_dict().items()}

    def named_tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Everything that a checkpoint must hold, by name, on the CPU; every rank must ask for all
        of it, though one alone may keep it."""
        for name, parameter in self.parameters.items():
            yield f"weights.{name}", whole(parameter)
            for key, value in self.optimizer.state.get(parameter, {}).items():
                yield f"optimizer.{key}.{name}", whole(value)
        for name, tensor in self.model.state_dict().items():
            if name not in self.parameters or name in self.average:
                yield f"average.{name}", whole(self.average.get(name, tensor))

    @torch.no_grad()
    def restore(self, tensors: dict[str, Tensor], images: int) -> None:
        """Continue from the `named_tensors` of any number of ranks, after `images` images."""
        self.images = images
        for name, parameter in self.parameters.items():
            fill(parameter, tensors[f"weights.{name}"])
            if name in self.average:
                fill(self.average[name], tensors[f"average.{name}"])
            if f"optimizer.step.{name}" in tensors:
                step = tensors[f"optimizer.step.{name}"].to(self.ranks.device, copy=True)
                moments = {"step": step}
                for key in ("exp_avg", "exp_avg_sq"):
                    moments[key] = torch.empty_like(parameter)
                    fill(moments[key], tensors[f"optimizer.{key}.{name}"])
                self.optimizer.state[parameter] = moments
        for name, tensor in self.model.state_dict().items():
            if name not in self.parameters:
                fill(tensor, tensors[f"average.{name}"])


def stage_state(
    config: Recipe,
    *,
    ranks: Ranks = ALONE,
    prior: dict[str, Tensor] | None = None,
    initial: dict[str, Tensor] | None = None,
    report: Callable[[str], None] = print,
) -> TrainState[Recipe]:
    """A stage at the start of its training: fresh weights of the recipe's seed.

    prior: the weights of what the denoiser works around; then it stays as it is. initial: weights
    by name that a run starts from; those that are missing keep their fresh value, so that new
    modules can be added to old ones.

    Raises:
        UserError: they do not fit.
    """
    torch.manual_seed(config.seed)
    model = build_model(config)
    if initial is not None:
        missing, surplus = take(model, initial, strict=False)
        report(f"started from given weights: {missing} tensors are new, {surplus} were not used")
        if missing == len(model.state_dict()):
            raise UserError("those weights are of another network: not one name fits")
    if prior is not None and isinstance(model, Around):
        take(model.prior, prior)
    return TrainState(config, model, objective_of(config), ranks)


def build_model(config: Recipe) -> nn.Module:
    """What a run trains, with fresh weights."""
    if config.part == "prior":
        return build_prior(config.network)
    return build_denoiser(config.network, config.sigma_data)


def take(module: nn.Module, weights: dict[str, Tensor], *, strict: bool = True) -> tuple[int, int]:
    """Load a state dict; how many tensors were missing and how many surplus.

    Raises:
        UserError: a tensor has another shape, or with `strict` one is missing or surplus.
    """
    try:
        result = module.load_state_dict(weights, strict=strict)
    except RuntimeError as error:
        first = str(error).splitlines()[1].strip()  # one line for each that does not fit
        raise UserError(f"those weights are of another network: {first}") from error
    return len(result.missing_keys), len(result.unexpected_keys)
