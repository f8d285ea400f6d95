"""EDM preconditioning and loss, Karras et al. 2022, table 1; eDiff-I section 3."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from ediffi.core.types import StageInput


class EDM(nn.Module):
    """A denoiser made of a raw network F.

    D(x; sigma) = c_skip x + c_out F(c_in x, c_noise, cond), with
    c_skip = sd^2 / (sigma^2 + sd^2), c_out = sigma sd / sqrt(sigma^2 + sd^2),
    c_in = 1 / sqrt(sigma^2 + sd^2), c_noise = ln(sigma) / 4. F sees inputs and, with clean
    pictures of standard deviation sd, targets of unit variance at every sigma.

    F may run under autocast; everything around it is float32.
    """

    def __init__(self, network: nn.Module, sigma_data: float) -> None:
        super().__init__()
        self.network = network
        self.sigma_data = sigma_data

    def forward(self, x: Tensor, sigma: Tensor, cond: StageInput) -> Tensor:
        """x (B, 3, H, W) and sigma (B,) -> x0 (B, 3, H, W), float32."""
        x, sigma = x.float(), sigma.float()
        sd = self.sigma_data
        total = (sigma**2 + sd**2).view(-1, 1, 1, 1)
        c_skip = sd**2 / total
        c_out = sigma.view(-1, 1, 1, 1) * sd / total.sqrt()
        raw: Tensor = self.network(x / total.sqrt(), sigma.log() / 4, cond)
        return c_skip * x + c_out * raw.float()


class ResidualEDM(EDM):
    """EDM around what is known without noise: the diffusion draws only what that lacks.

    D(x) = known + EDM(x - known). An upscaler knows its enlarged low-resolution picture, a base
    its sketch (regression and diffusion of the rest as in CorrDiff, Mardani et al. 2023).
    sigma_data is the residual's standard deviation, so sampling can start from `known` plus little
    noise.
    """

    def forward(self, x: Tensor, sigma: Tensor, cond: StageInput) -> Tensor:
        known = self.known(cond, (x.shape[2], x.shape[3]))
        return known + super().forward(x.float() - known, sigma, cond)

    def known(self, cond: StageInput, size: tuple[int, int]) -> Tensor:
        """(B, 3, *size), float32, without a gradient; the network has a method of that name."""
        known: Tensor = self.network.known(cond, size)  # type: ignore[operator]
        return known.detach()


def enlarge(low_res: Tensor, size: tuple[int, int]) -> Tensor:
    """low_res (B, 3, h, w) -> (B, 3, *size), float32, bicubic."""
    return F.interpolate(low_res.float(), size, mode="bicubic")


def edm_weight(sigma: Tensor, sigma_data: float) -> Tensor:
    """lambda(sigma) = 1 / c_out^2: every sigma weighs the same on F."""
    return (sigma**2 + sigma_data**2) / (sigma * sigma_data) ** 2


def edm_loss(
    denoised: Tensor, clean: Tensor, sigma: Tensor, sigma_data: float, huber: float | None = None
) -> Tensor:
    """lambda(sigma) * mean over pixels of (denoised - clean)^2, (B,): 1.0 for a useless F.

    huber: c of the pseudo-Huber error sqrt(e^2 + c^2) - c in place of e^2, e being F's error (as in
    Song and Dhariwal 2023, sec. 3.3): few pixels that nobody can know then do not outweigh the
    rest, and what is likeliest is drawn where the mean of all that is likely would be grey.
    """
    weight = edm_weight(sigma.float(), sigma_data)
    error = (denoised.float() - clean.float()).square().flatten(1)
    if huber is None:
        return weight * error.mean(1)
    return ((weight[:, None] * error + huber**2).sqrt() - huber).mean(1)


def noised(clean: Tensor, noise: Tensor, sigma: Tensor) -> Tensor:
    """clean + sigma * noise, sigma (B,)."""
    return clean + sigma.to(clean.dtype).view(-1, 1, 1, 1) * noise
