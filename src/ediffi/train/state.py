"""What changes while a stage trains: weights, their average, the optimizer, the images seen."""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
from torch import Tensor

from ediffi.core.errors import UserError
from ediffi.diffusion import EDM, edm_loss, noised
from ediffi.networks import (
    UNet,
    build_denoiser,
    drawing_loss,
    enlarger_loss,
    layout_loss,
    sketch_loss,
)
from ediffi.train.config import TrainConfig
from ediffi.train.examples import Batch
from ediffi.train.run import Learner


class Losses(NamedTuple):
    """Of each picture, (B,), None where nothing was drawn or asked: the denoiser's, weighted so
    that 1.0 is a useless network; the sketch's, see `sketch_loss`, or what enlarges or retouches,
    see `enlarger_loss`; that of where a sketch's layers are, see `layout_loss`; that of what is
    drawn in them, see `drawing_loss`."""

    denoise: Tensor | None
    sketch: Tensor | None
    layout: Tensor | None = None
    drawing: Tensor | None = None


class TrainState(Learner):
    """One stage in training.

    >>> state = TrainState(config)                       # doctest: +SKIP
    >>> losses = state.step(examples.batch(0))           # doctest: +SKIP
    """

    config: TrainConfig

    def __init__(self, config: TrainConfig) -> None:
        self.config = config
        self.images = 0
        torch.manual_seed(config.seed)
        self.denoiser = build_denoiser(config.network, config.sigma_data)
        self.parameters = dict(self.denoiser.network.named_parameters())
        self.average = {name: p.detach().clone() for name, p in self.parameters.items()}
        self.optimizer = torch.optim.AdamW(
            self.parameters.values(),
            lr=config.learning_rate,
            betas=(0.9, 0.99),
            weight_decay=config.weight_decay,
            fused=True,
        )

    def step(self, batch: Batch) -> Losses:
        """One update: of the sketch alone for the first `sketch_images`, then of all the rest, what
        retouches it too; an enlarger goes on learning.

        Raises:
            FloatingPointError: the loss or its gradient is not finite; weights are untouched.
        """
        network = cast(UNet, self.denoiser.network)
        if self.images >= self.config.sketch_images and network.learns_sketch:
            self._finish_sketch(network)
        losses = self._losses(batch)
        weights = (1.0, 1.0, self.config.layout_loss, self.config.drawing_loss)
        weighted = zip(weights, losses, strict=True)
        means = [weight * loss.mean() for weight, loss in weighted if loss is not None]
        self.descend(torch.stack(means).sum(), len(batch.clean))
        self._update_average(len(batch.clean))
        return Losses(*(loss if loss is None else loss.detach() for loss in losses))

    def _losses(self, batch: Batch) -> Losses:
        config, network = self.config, cast(UNet, self.denoiser.network)
        denoise = sketch = layout = drawing = None
        with torch.autocast("cpu", torch.bfloat16):
            sketching = self.images < config.sketch_images
            context = network.context(batch.cond, retouched=not sketching)
            drawn = context.drawn
            if not sketching or drawn is None:
                x = noised(batch.clean, batch.noise, batch.sigma)
                denoised = self.denoiser(x, batch.sigma, batch.cond)
                denoise = edm_loss(
                    denoised, batch.clean, batch.sigma, config.sigma_data, config.huber
                )
        if drawn is not None and drawn.picture.requires_grad:
            if network.sketch is None or not sketching:
                sketch = enlarger_loss(drawn.picture, batch.clean, config.sigma_data)
                return Losses(denoise, sketch)
            sketch = sketch_loss(drawn.picture, batch.clean)
            things = batch.cond.things
            if config.layout_loss and drawn.boxes is not None and things is not None:
                layout = layout_loss(drawn, things, context)
            if config.drawing_loss and drawn.drawings is not None and things is not None:
                drawing = drawing_loss(drawn, things)
        return Losses(denoise, sketch, layout, drawing)

    @torch.no_grad()
    def _finish_sketch(self, network: UNet) -> None:
        """From here on the sketch, and how it reads the prompt, stay what they were on average.

        The diffusion then learns one residual to the end (regression first, then diffusion around
        it, as in CorrDiff), and no backward pass goes through the sketch.
        """
        for name, parameter in network.before_noise():
            parameter.copy_(self.average[name])
            parameter.requires_grad_(False)

    @torch.no_grad()
    def _update_average(self, images: int) -> None:
        """Exponential average with a half-life that grows with the run, up to ema_images (EDM)."""
        half_life = min(self.config.ema_images, 0.05 * self.images)
        decay = 0.5 ** (images / half_life)
        torch._foreach_lerp_(list(self.average.values()), list(self.parameters.values()), 1 - decay)

    @torch.no_grad()
    def start_from(self, weights: dict[str, Tensor]) -> tuple[int, int]:
        """Take weights by name, so that new modules can be added to old ones.

        Returns how many tensors had none and keep their fresh value, and how many were not used.

        Raises:
            UserError: no name fits, or one fits but has another shape.
        """
        network = self.denoiser.network
        try:
            result = network.load_state_dict(weights, strict=False)
        except RuntimeError as error:
            first = str(error).splitlines()[1].strip()  # one line for each that does not fit
            raise UserError(f"those weights are of another network: {first}") from error
        if len(result.missing_keys) == len(self.parameters):
            raise UserError("those weights are of another network: not one name fits")
        for name, parameter in self.parameters.items():
            self.average[name].copy_(parameter)
        return len(result.missing_keys), len(result.unexpected_keys)

    def averaged(self) -> EDM:
        """A denoiser of its own with the averaged weights, for sampling and for shipping."""
        denoiser = build_denoiser(self.config.network, self.config.sigma_data)
        denoiser.network.load_state_dict(self.average)
        return denoiser

    def tensors(self) -> dict[str, Tensor]:
        """Everything that a checkpoint must hold, by name."""
        average = {f"average.{name}": p.contiguous() for name, p in self.average.items()}
        return super().tensors() | average

    @torch.no_grad()
    def restore(self, tensors: dict[str, Tensor], images: int) -> None:
        """Continue from what `tensors` returned after `images` images."""
        super().restore(tensors, images)
        for name, average in self.average.items():
            average.copy_(tensors[f"average.{name}"])
