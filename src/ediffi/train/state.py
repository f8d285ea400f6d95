"""What changes while a stage trains: weights, their average, the optimizer, the images seen."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor, nn

from ediffi.core.errors import UserError
from ediffi.diffusion import Around
from ediffi.networks import build_denoiser, build_prior
from ediffi.train.batch import Batch
from ediffi.train.config import Recipe
from ediffi.train.objective import objective_of
from ediffi.train.run import Learner


class TrainState(Learner):
    """One stage in training, on one device.

    model: the denoiser, or the prior alone, with the weights that learn; average: the same with
    their average, for sampling and shipping.

    >>> state = TrainState(recipe)                       # doctest: +SKIP
    >>> losses = state.step(examples.batch(0))           # doctest: +SKIP
    """

    config: Recipe

    def __init__(
        self,
        config: Recipe,
        *,
        device: torch.device | str = "cpu",
        prior: dict[str, Tensor] | None = None,
    ) -> None:
        """prior: the weights of what the denoiser works around; then it stays as it is.

        Raises:
            UserError: the prior does not fit.
        """
        self.config, self.images, self.device = config, 0, torch.device(device)
        torch.manual_seed(config.seed)
        self.model = build_model(config)
        if prior is not None and isinstance(self.model, Around):
            take(self.model.prior, prior)
        self.model.to(self.device)
        self.average = deepcopy(self.model).requires_grad_(False)
        self.parameters = {n: p for n, p in self.model.named_parameters() if p.requires_grad}
        how = config.optimiser
        self.optimizer = torch.optim.AdamW(
            self.parameters.values(),
            lr=how.learning_rate,
            betas=how.betas,
            weight_decay=how.weight_decay,
            fused=True,
        )
        self.objective = objective_of(config)

    def step(self, batch: Batch) -> Tensor:
        """One update; returns the loss of each picture, (B,).

        Raises:
            FloatingPointError: the loss or its gradient is not finite; weights are untouched.
        """
        batch = batch.to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16):
            losses = self.objective(self.model, batch)
        self.descend(losses.mean(), len(batch.clean))
        self._update_average(len(batch.clean))
        return losses.detach()

    @torch.no_grad()
    def _update_average(self, images: int) -> None:
        """Exponential average with a half-life that grows with the run, up to ema_images (EDM)."""
        half_life = min(self.config.schedule.ema_images, 0.05 * self.images)
        decay = 0.5 ** (images / half_life)
        averages = dict(self.average.named_parameters())
        own: list[Tensor] = [averages[name] for name in self.parameters]
        torch._foreach_lerp_(own, list(self.parameters.values()), 1 - decay)

    @torch.no_grad()
    def start_from(self, weights: dict[str, Tensor]) -> tuple[int, int]:
        """Take weights by name, so that new modules can be added to old ones.

        Returns how many tensors had none and keep their fresh value, and how many were not used.

        Raises:
            UserError: no name fits, or one fits but has another shape.
        """
        missing, surplus = take(self.model, weights, strict=False)
        if missing == len(self.model.state_dict()):
            raise UserError("those weights are of another network: not one name fits")
        self.average.load_state_dict(self.model.state_dict())
        return missing, surplus

    def tensors(self) -> dict[str, Tensor]:
        """Everything that a checkpoint must hold, by name."""
        average = {f"average.{n}": t.contiguous() for n, t in self.average.state_dict().items()}
        return super().tensors() | average

    @torch.no_grad()
    def restore(self, tensors: dict[str, Tensor], images: int) -> None:
        """Continue from what `tensors` returned after `images` images."""
        super().restore(tensors, images)
        take(self.average, averaged_weights(tensors))
        if isinstance(self.model, Around) and isinstance(self.average, Around):
            self.model.prior.load_state_dict(self.average.prior.state_dict())


def build_model(config: Recipe) -> nn.Module:
    """What a run trains, with fresh weights."""
    if config.part == "prior":
        return build_prior(config.network)
    return build_denoiser(config.network, config.sigma_data)


def averaged_weights(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The averaged weights in a checkpoint's tensors."""
    return {n.removeprefix("average."): t for n, t in tensors.items() if n.startswith("average.")}


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
