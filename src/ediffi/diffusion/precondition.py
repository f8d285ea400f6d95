"""EDM preconditioning and loss, Karras et al. 2022, table 1; eDiff-I section 3."""

from __future__ import annotations

from torch import Tensor, nn

from ediffi.core.types import StageInput


class EDM(nn.Module):
    """A denoiser made of a raw network F.

    D(x; sigma) = c_skip x + c_out F(c_in x, sigma, cond), with
    c_skip = sd^2 / (sigma^2 + sd^2), c_out = sigma sd / sqrt(sigma^2 + sd^2),
    c_in = 1 / sqrt(sigma^2 + sd^2). F sees inputs and, with clean pictures of standard deviation
    sd, targets of unit variance at every sigma.

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
        raw: Tensor = self.network(x / total.sqrt(), sigma, cond)
        return c_skip * x + c_out * raw.float()

    def prepared(self, cond: StageInput, size: tuple[int, int], sigma_max: float) -> StageInput:
        """The input with what can be computed of it before sampling: here nothing."""
        return cond

    def initial(self, noise: Tensor, sigma_max: float, cond: StageInput) -> Tensor:
        """Where sampling starts: unit noise (B, 3, H, W) scaled to std sigma_max."""
        return sigma_max * noise


def edm_weight(sigma: Tensor, sigma_data: float) -> Tensor:
    """lambda(sigma) = 1 / c_out^2: every sigma weighs the same on F."""
    return (sigma**2 + sigma_data**2) / (sigma * sigma_data) ** 2


def edm_loss(denoised: Tensor, clean: Tensor, sigma: Tensor, sigma_data: float) -> Tensor:
    """lambda(sigma) * mean over pixels of (denoised - clean)^2, (B,): 1.0 for a useless F."""
    error = (denoised.float() - clean.float()).square().flatten(1).mean(1)
    return edm_weight(sigma.float(), sigma_data) * error


def noised(clean: Tensor, noise: Tensor, sigma: Tensor) -> Tensor:
    """clean + sigma * noise, sigma (B,)."""
    return clean + sigma.to(clean.dtype).view(-1, 1, 1, 1) * noise
